import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate';
import { startPostgres } from '../../src/dev/postgres';
import { openTestDatabase, type TestDatabase } from './database';

/** A cluster of the test's own, which may be away: the others' tests do not stand on it. */
export interface OwnPostgres {
  /** Its database. Dropping it ends the cluster. */
  readonly database: TestDatabase;
  /** Ends the server; all connections break. */
  stop(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-own-postgres-'));
  const options = { home, log: () => undefined, env: process.env, settings: { fsync: 'off' } };
  let server = await startPostgres(options);
  const { url } = server;
  await migrate(url);
  const database = openTestDatabase(url, async () => {
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  });
  return {
    database,
    stop: () => server.stop(),
    async start() {
      server = await startPostgres(options);
      if (server.url !== url) throw new Error(`Postgres came back at another address than ${url}.`);
    },
  };
}
