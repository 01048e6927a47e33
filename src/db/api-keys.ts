import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { SCOPES, type KeyLimits, type Scope } from '../contracts/api-key';
import { Refusal } from '../contracts/refusal';
import type { Records } from './database';
import { newId } from './new-id';
import type { Tx } from './tx';

/** What a key stands for. */
export interface ApiKey {
  id: string;
  tenant: string;
  scopes: Scope[];
  /** Requests a minute where they differ from the settings. */
  limits: KeyLimits;
}

/** A row of `api_keys`, without what leads to its secrets. */
export interface ApiKeyRow extends ApiKey {
  name: string;
  prefix: string;
  /** The secret before this one, while it is accepted. */
  previous_prefix: string | null;
  previous_expires_at: Date | null;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

export interface NewApiKey {
  scopes?: readonly Scope[];
  /** Neither: it does not expire. */
  expires_at?: Date;
  expires_in_s?: number;
  limits?: KeyLimits;
}

/** Characters of a secret that are kept to tell keys apart. */
const PREFIX_CHARS = 10;
/** Tenant of the development key. */
const DEVELOPMENT_TENANT = 'development';
/** Keys of one tenant that are neither revoked nor expired: limits of requests are per key, so keys are limited too. */
const MAX_KEYS_PER_TENANT = 100;

const COLUMNS = `id, tenant, name, prefix, scopes, limits, created_at, expires_at, last_used_at, revoked_at,
  case when previous_expires_at > now() then previous_prefix end as previous_prefix,
  case when previous_expires_at > now() then previous_expires_at end as previous_expires_at`;
const LIVE = 'revoked_at is null and (expires_at is null or expires_at > now())';

/**
 * A new key for a tenant: 256 random bits, shown once; only their SHA-256 is stored.
 * @throws Refusal `too_many_keys`
 */
export async function createApiKey(
  db: Pick<Records, 'transaction'>,
  tenant: string,
  name: string,
  { scopes = ['runs:read', 'runs:write'], expires_at, expires_in_s, limits = {} }: NewApiKey = {},
): Promise<ApiKeyRow & { secret: string }> {
  const secret = newSecret();
  const row = await db.transaction(async (tx) => {
    // One after the other for a tenant, so that none passes the limit by a second one that counts at the same time.
    await tx.query('select pg_advisory_xact_lock(7240007, hashtext($1))', [tenant]);
    const [live] = await tx.query<{ count: number }>(
      `select count(*)::int as count from api_keys where tenant = $1 and ${LIVE}`,
      [tenant],
    );
    if (live!.count >= MAX_KEYS_PER_TENANT)
      throw new Refusal('too_many_keys', `The tenant has ${live!.count} keys that are accepted.`);
    const [made] = await tx.query<ApiKeyRow>(
      `insert into api_keys (id, tenant, name, prefix, hash, scopes, limits, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now() + $9 * interval '1 second')) returning ${COLUMNS}`,
      [
        newId('key'),
        tenant,
        name,
        secret.slice(0, PREFIX_CHARS),
        hashOf(secret),
        [...new Set(scopes)],
        JSON.stringify(limits),
        expires_at ?? null,
        expires_in_s ?? null,
      ],
    );
    return made!;
  });
  return { ...row, secret };
}

/** Makes the development key known, with every scope. Several processes may do it at once. */
export async function allowDevelopmentKey(db: Tx, secret: string): Promise<void> {
  await db.query(
    `insert into api_keys (id, tenant, name, prefix, hash, scopes, development) values ($1, $2, 'development', $3, $4, $5, true)
     on conflict (hash) do update set scopes = excluded.scopes, revoked_at = null where api_keys.development`,
    [newId('key'), DEVELOPMENT_TENANT, secret.slice(0, PREFIX_CHARS), hashOf(secret), SCOPES],
  );
}

/** An accepted key, and for how long at most, milliseconds: null when it does not expire. */
export interface AcceptedKey {
  key: ApiKey;
  left_ms: number | null;
}

/**
 * The key with that secret, if it is accepted: neither revoked nor expired by the clock of the database, and no development key in
 * production.
 *
 * The index is searched for the SHA-256 of what was sent. How long that takes tells at most how far the two hashes agree, and nobody can
 * choose a secret by the beginning of its hash without trying as many as there are; so the search leaks nothing to build on. The hash
 * that was found is compared again in constant time, which holds whatever index or collation finds the row.
 */
export async function findAcceptedKey(
  db: Tx,
  secret: string,
  { production }: { production: boolean },
): Promise<AcceptedKey | undefined> {
  const hash = hashOf(secret);
  const [found] = await db.query<ApiKey & { found: Buffer; left_ms: number | null }>(
    `select id, tenant, scopes, limits, case when hash = $1 then hash else previous_hash end as found,
       extract(epoch from least(expires_at, case when hash = $1 then null else previous_expires_at end) - now())::float8 * 1000 as left_ms
     from api_keys
     where (hash = $1 or (previous_hash = $1 and previous_expires_at > now())) and ${LIVE} and not (development and $2)`,
    [hash, production],
  );
  if (found === undefined || !timingSafeEqual(found.found, hash)) return undefined;
  const { id, tenant, scopes, limits, left_ms } = found;
  return { key: { id, tenant, scopes, limits }, left_ms };
}

/** Which of these keys are accepted now, by their ids. */
export async function acceptedApiKeys(
  db: Tx,
  ids: readonly string[],
  { production }: { production: boolean },
): Promise<ReadonlySet<string>> {
  const rows = await db.query<{ id: string }>(
    `select id from api_keys where id = any($1) and ${LIVE} and not (development and $2)`,
    [ids, production],
  );
  return new Set(rows.map(({ id }) => id));
}

/** Notes that keys were used now; those noted within the last minute are left as they are. */
export async function noteUse(db: Tx, ids: readonly string[]): Promise<void> {
  await db.query(
    `update api_keys set last_used_at = now()
     where id = any($1) and (last_used_at is null or last_used_at < now() - interval '1 minute')`,
    [ids],
  );
}

/** The key of that id if the tenant has it. */
export async function findApiKey(db: Tx, tenant: string, id: string): Promise<ApiKeyRow | undefined> {
  const [row] = await db.query<ApiKeyRow>(`select ${COLUMNS} from api_keys where id = $1 and tenant = $2`, [
    id,
    tenant,
  ]);
  return row;
}

/** Keys of a tenant, the newest first: those beyond the key `after`, or the nearest ones before the key `before`. */
export async function listApiKeys(
  db: Tx,
  tenant: string,
  { after, before, limit }: { after?: string | undefined; before?: string | undefined; limit: number },
): Promise<ApiKeyRow[]> {
  const order = before === undefined ? 'desc' : 'asc';
  const rows = await db.query<ApiKeyRow>(
    `select ${COLUMNS} from api_keys
     where tenant = $1 and ($2::text is null or id < $2) and ($3::text is null or id > $3) order by id ${order} limit $4`,
    [tenant, after ?? null, before ?? null, limit],
  );
  return before === undefined ? rows : rows.reverse();
}

/** Everybody who has, or had, a key. */
export async function listTenants(db: Tx): Promise<string[]> {
  const rows = await db.query<{ tenant: string }>('select distinct tenant from api_keys order by tenant');
  return rows.map(({ tenant }) => tenant);
}

/** Whose key that is. For operators: a request of a tenant never asks. */
export async function tenantOfKey(db: Tx, id: string): Promise<string | undefined> {
  const [row] = await db.query<{ tenant: string }>('select tenant from api_keys where id = $1', [id]);
  return row?.tenant;
}

/** Revokes a key of a tenant; one that is revoked stays as it is. @returns whether the tenant has such a key. */
export async function revokeApiKey(db: Tx, tenant: string, id: string): Promise<boolean> {
  const revoked = await db.query(
    'update api_keys set revoked_at = coalesce(revoked_at, now()) where id = $1 and tenant = $2 returning id',
    [id, tenant],
  );
  return revoked.length > 0;
}

/**
 * Gives a key a new secret. The one it had stays accepted for so many seconds more; one before that, from an earlier rotation, ends now.
 * @throws Refusal `not_found`, `key_over` for one that is revoked or expired.
 */
export async function rotateApiKey(
  db: Tx,
  tenant: string,
  id: string,
  old_expires_in_s: number,
): Promise<ApiKeyRow & { secret: string }> {
  const secret = newSecret();
  const [row] = await db.query<ApiKeyRow>(
    `update api_keys set previous_prefix = prefix, previous_hash = hash, previous_expires_at = now() + $5 * interval '1 second',
       prefix = $3, hash = $4
     where id = $1 and tenant = $2 and ${LIVE} returning ${COLUMNS}`,
    [id, tenant, secret.slice(0, PREFIX_CHARS), hashOf(secret), old_expires_in_s],
  );
  if (row !== undefined) return { ...row, secret };
  if ((await findApiKey(db, tenant, id)) === undefined)
    throw new Refusal('not_found', 'There is no such key.');
  throw new Refusal('key_over', 'The key is revoked or has expired.');
}

function newSecret(): string {
  return `lh_${randomBytes(32).toString('base64url')}`;
}

/** The secret has 256 random bits, so a plain hash suffices. */
function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
