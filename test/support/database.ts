import { randomBytes } from 'node:crypto';
import { Client, Pool } from 'pg';
import { connectionOptions, openDatabase, type Database } from '../../src/db/database';
import type { Tx } from '../../src/db/tx';

/** Where the servers are that the global set-up started. */
export interface Servers {
  /** The database that is the template of all others, with every migration applied. */
  template_url: string;
  temporal_address: string;
  /** Path of the workflow bundle. */
  bundle: string;
}

/** Environment variable by which the set-up tells the test files. */
export const SERVERS = 'TEST_SERVERS';

export function servers(): Servers {
  const text = process.env[SERVERS];
  if (text === undefined)
    throw new Error(
      'This test needs the servers of test/support/global-setup.ts: run it in the project `real`.',
    );
  return JSON.parse(text) as Servers;
}

export interface TestDatabase {
  url: string;
  /** As the processes see it. */
  db: Database;
  /** As its owner does, whom no policy holds: for what only an administrator may. */
  owner: Tx;
  drop(): Promise<void>;
}

/** A database of its own for one test file, copied from the template in 0.1 s. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `t_${randomBytes(6).toString('hex')}`;
  const url = new URL(servers().template_url);
  const template = url.pathname.slice(1);
  await administer(`create database ${name} template ${template}`);
  url.pathname = `/${name}`;
  return openTestDatabase(url.href, () => administer(`drop database ${name} with (force)`));
}

/** @param drop removes the database once nobody here is connected to it */
export function openTestDatabase(url: string, drop: () => Promise<void>): TestDatabase {
  const db = openDatabase({ url, pool: 10, name: 'test' });
  const owner = new Pool({ ...connectionOptions(url, 'test owner'), max: 2 });
  // `end()` does not wait for the sockets: the forced drop may still end one, and an idle connection's loss nobody
  // listens to would fail whatever test runs then.
  owner.on('error', () => undefined);
  return {
    url,
    db,
    owner: {
      query: async <Row>(text: string, values?: unknown[]) => (await owner.query(text, values)).rows as Row[],
    },
    async drop() {
      await Promise.all([db.close(), owner.end()]);
      await drop();
    },
  };
}

/** Runs a statement on the cluster, outside the template (which nobody may be connected to while it is copied). */
async function administer(statement: string): Promise<void> {
  const url = new URL(servers().template_url);
  url.pathname = '/postgres';
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    // Two files that copy the template at once get in each other's way: one after the other.
    await client.query('select pg_advisory_lock(1)');
    await client.query(statement);
  } finally {
    await client.end();
  }
}
