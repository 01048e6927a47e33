import { createHash, randomBytes } from 'node:crypto';
import type { ApiKey } from './api-keys';
import type { Tx } from './tx';

/** What a ticket opens: streams of the key's tenant, or of one run alone. */
export interface Admission {
  key: ApiKey;
  run_id: string | null;
}

/** How tickets begin, so that they are told from keys. */
export const TICKET_PREFIX = 'lht_';

/** A new ticket: 256 random bits, shown once; only their SHA-256 is stored. @returns it, and when it expires by the clock of Postgres. */
export async function createStreamTicket(
  db: Tx,
  { key, run_id, expires_in_s }: Admission & { expires_in_s: number },
): Promise<{ ticket: string; expires_at: Date }> {
  const ticket = `${TICKET_PREFIX}${randomBytes(32).toString('base64url')}`;
  const [row] = await db.query<{ expires_at: Date }>(
    `insert into stream_tickets (hash, tenant, key_id, run_id, expires_at)
     values ($1, $2, $3, $4, now() + make_interval(secs => $5)) returning expires_at`,
    [hashOf(ticket), key.tenant, key.id, run_id, expires_in_s],
  );
  return { ticket, expires_at: row!.expires_at };
}

/**
 * Uses a ticket up, also when it has expired. Streams are all it opens, so its key may read and nothing else.
 * @returns what it opens, if it was there, in time, and its key is still accepted
 */
export async function useStreamTicket(
  db: Tx,
  ticket: string,
  { production }: { production: boolean },
): Promise<Admission | undefined> {
  const [row] = await db.query<Omit<ApiKey, 'scopes'> & { run_id: string | null }>(
    `with used as (delete from stream_tickets where hash = $1 returning *)
     select k.id, k.tenant, k.limits, used.run_id from used join api_keys k on k.id = used.key_id
     where used.expires_at > now() and k.scopes @> '{runs:read}'
       and k.revoked_at is null and (k.expires_at is null or k.expires_at > now()) and not (k.development and $2)`,
    [hashOf(ticket), production],
  );
  if (row === undefined) return undefined;
  const { run_id, ...key } = row;
  return { key: { ...key, scopes: ['runs:read'] }, run_id };
}

function hashOf(ticket: string): Buffer {
  return createHash('sha256').update(ticket).digest();
}
