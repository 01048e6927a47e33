/** What a key may do. `admin` may manage the keys of its tenant; it includes no other scope. */
export const SCOPES = ['runs:read', 'runs:write', 'tools:write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];
