import type { Tx } from './tx';

/** The key of a request that a client may repeat: with the same body it stands for the same run. */
export interface RequestKey {
  tenant: string;
  route: string;
  key: string;
  /** SHA-256. */
  body_hash: Buffer;
}

/** A key as the functions of the database take it, but for its times: see `datedKey`. */
export function claimOf(key: RequestKey): string {
  return JSON.stringify({ ...key, body_hash: `\\x${key.body_hash.toString('hex')}` });
}

/** How long a key is remembered. */
const KEY_LIVES = '24 hours';

/** A key in a parameter, which may be null: its times are by the clock of the database, whatever that of the process says. */
export function datedKey(parameter: '$2' | '$3'): string {
  return `${parameter}::jsonb || jsonb_build_object('created_at', now(), 'expires_at', now() + interval '${KEY_LIVES}')`;
}

/** What a key was used for, if it is known. */
export async function findRequest(
  db: Tx,
  { tenant, route, key, body_hash }: RequestKey,
): Promise<{ run_id: string; same_body: boolean } | undefined> {
  const [request] = await db.query<{ run_id: string; same_body: boolean }>(
    'select run_id, body_hash = $4 as same_body from idempotency_keys where tenant = $1 and route = $2 and key = $3',
    [tenant, route, key, body_hash],
  );
  return request;
}

/** Keeps a key for a run that is stored later in this transaction; waits for another request with the same key. @returns false when it is taken. */
export async function claimKey(tx: Tx, key: RequestKey, run_id: string): Promise<boolean> {
  const statement = `select claim_key($1, ${datedKey('$2')}) as claimed`;
  const [row] = await tx.query<{ claimed: boolean }>(statement, [run_id, claimOf(key)]);
  return row!.claimed;
}
