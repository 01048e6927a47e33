import { createHash, randomBytes } from 'node:crypto';
import type { Scope } from '../contracts/api-key';
import { newId } from './new-id';
import type { Tx } from './tx';

/** What a key stands for. */
export interface ApiKey {
  id: string;
  tenant: string;
  scopes: Scope[];
}

/** Characters of a key that are kept to tell keys apart. */
const PREFIX_CHARS = 10;
/** Tenant of the development key. */
const DEVELOPMENT_TENANT = 'development';

/** A new key for a tenant: 256 random bits, shown once; only its SHA-256 is stored. */
export async function createApiKey(
  db: Tx,
  tenant: string,
  name: string,
): Promise<{ id: string; secret: string }> {
  const secret = `lh_${randomBytes(32).toString('base64url')}`;
  const id = newId('key');
  await insert(db, { id, tenant, name, secret, development: false });
  return { id, secret };
}

/** Makes the development key known. Several processes may do it at once. */
export async function allowDevelopmentKey(db: Tx, secret: string): Promise<void> {
  await insert(db, {
    id: newId('key'),
    tenant: DEVELOPMENT_TENANT,
    name: 'development',
    secret,
    development: true,
  });
}

/** The key with that secret, if it is accepted: neither revoked nor expired, and no development key in production. */
export async function findApiKey(
  db: Tx,
  secret: string,
  { production }: { production: boolean },
): Promise<ApiKey | undefined> {
  const [key] = await db.query<ApiKey>(
    `select id, tenant, scopes from api_keys
     where hash = $1 and revoked_at is null and (expires_at is null or expires_at > now()) and not (development and $2)`,
    [hashOf(secret), production],
  );
  return key;
}

async function insert(
  db: Tx,
  key: { id: string; tenant: string; name: string; secret: string; development: boolean },
): Promise<void> {
  await db.query(
    `insert into api_keys (id, tenant, name, prefix, hash, scopes, development) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (hash) do nothing`,
    [
      key.id,
      key.tenant,
      key.name,
      key.secret.slice(0, PREFIX_CHARS),
      hashOf(key.secret),
      ['runs:read', 'runs:write'],
      key.development,
    ],
  );
}

/** The secret has 256 random bits, so a plain hash suffices and a look-up by it tells nothing by its timing. */
function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
