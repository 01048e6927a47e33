import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { connectionOptions } from './database';

const MIGRATIONS = join(__dirname, 'migrations');
/** Four digits give the order. A misnamed file is an error: passed over, it would be missed only when its tables are asked for. */
const NAME = /^\d{4}_[a-z0-9_]+\.sql$/;
/** Key of the advisory lock under which one process at a time migrates. Any fixed number of our own. */
const LOCK = 7_240_001;

interface Migration {
  name: string;
  text: string;
  hash: string;
}

/**
 * Brings the database to the newest schema: every file of `folder` in order, each once, in a transaction of its own.
 * Processes that start together wait for one another.
 * @returns names of the files that were applied now.
 * @throws Error when a file that was applied has changed, when one comes late or its name breaks the rule, or when one fails.
 */
export async function migrate(url: string, folder = MIGRATIONS): Promise<string[]> {
  const client = new Client({
    ...connectionOptions(url, 'longhaul migrate'),
    // A migration takes as long as it takes, and the others wait for it.
    statement_timeout: 0,
    query_timeout: 0,
    idle_in_transaction_session_timeout: 0,
  });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await client.query(
      `create table if not exists schema_migrations (name text primary key, hash text not null, applied_at timestamptz not null default now())`,
    );
    const { rows } = await client.query<{ name: string; hash: string }>(
      'select name, hash from schema_migrations',
    );
    const fresh = pending(readMigrations(folder), rows);
    for (const migration of fresh) await apply(client, migration);
    return fresh.map(({ name }) => name);
  } finally {
    await client.end(); // gives the lock back
  }
}

/**
 * Names of the files that `migrate` would apply; nothing is changed.
 * @throws Error as `migrate` does before it applies any.
 */
export async function pendingMigrations(url: string, folder = MIGRATIONS): Promise<string[]> {
  const client = new Client(connectionOptions(url, 'longhaul migrate --check'));
  await client.connect();
  try {
    const known = await client.query<{ known: boolean }>(
      `select to_regclass('schema_migrations') is not null as known`,
    );
    const { rows } = known.rows[0]!.known
      ? await client.query<{ name: string; hash: string }>('select name, hash from schema_migrations')
      : { rows: [] };
    return pending(readMigrations(folder), rows).map(({ name }) => name);
  } finally {
    await client.end();
  }
}

/** Files of ours that the database does not have yet; for `/readyz`. */
export function missingMigrations(applied: string[], folder = MIGRATIONS): string[] {
  return readMigrations(folder)
    .map(({ name }) => name)
    .filter((name) => !applied.includes(name));
}

function pending(files: Migration[], applied: { name: string; hash: string }[]): Migration[] {
  for (const { name, hash } of applied) {
    const file = files.find((migration) => migration.name === name);
    // A newer release may have migrated this database already; its additions do not harm an older one.
    if (file !== undefined && file.hash !== hash) {
      throw new Error(
        `Migration ${name} was changed after it was applied. Undo the change and add a new file that alters what is there.`,
      );
    }
  }
  const newest =
    applied
      .map(({ name }) => name)
      .sort()
      .at(-1) ?? '';
  const fresh = files.filter(({ name }) => !applied.some((row) => row.name === name));
  const late = fresh.find(({ name }) => name < newest);
  if (late !== undefined) {
    throw new Error(
      `Migration ${late.name} comes before ${newest}, which was applied. Give it a higher number.`,
    );
  }
  return fresh;
}

async function apply(client: Client, { name, text, hash }: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(text);
    await client.query('insert into schema_migrations (name, hash) values ($1, $2)', [name, hash]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error });
  }
}

function readMigrations(folder: string): Migration[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      if (!NAME.test(name))
        throw new Error(`The migration ${name} is misnamed. Call it like 0007_what_it_adds.sql.`);
      const text = readFileSync(join(folder, name), 'utf8');
      return { name, text, hash: createHash('sha256').update(text).digest('hex') };
    });
}
