import type { ApiKeyView } from '../contracts/api-key';
import type { ApiKeyRow } from '../db/api-keys';

/** A key as clients see it. */
export function keyView(row: ApiKeyRow): ApiKeyView {
  const { previous_prefix: prefix, previous_expires_at } = row;
  return {
    id: row.id,
    object: 'api_key',
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    limits: row.limits,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    previous:
      prefix === null || previous_expires_at === null
        ? null
        : { prefix, expires_at: previous_expires_at.toISOString() },
  };
}
