import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { hold } from './holders';
import { prepareHome } from './home';
import { takeLock } from './lock';
import type { Log } from './log';
import { findBinaries } from './postgres-binaries';
import { initialise, launch, passwordOf, POSTGRES_NAME, whenReady, type Cluster } from './postgres-cluster';
import { choosePlace } from './postgres-place';
import { readPostmaster, type Postmaster } from './postmaster';
import { endProcess, isRunning } from './processes';

/** A second start waits for the first, which may be making the cluster and recovering. */
const LOCK_LIMIT_MS = 90_000;

/** SIGINT is Postgres's "fast" shutdown: sessions are ended, data are written. SIGQUIT leaves recovery to the next start. */
const SHUTDOWN = [
  { signal: 'SIGINT', wait_ms: 10_000 },
  { signal: 'SIGQUIT', wait_ms: 3_000 },
  { signal: 'SIGKILL', wait_ms: 2_000 },
] as const;

export interface PostgresOptions {
  /** Folder that the development stack lives in; made if absent. */
  home: string;
  log: Log;
  /** Environment for the programs; only PATH is used. */
  env?: NodeJS.ProcessEnv;
  /** Server settings beyond the usual ones, such as `fsync: 'off'` in tests. An adopted server keeps its own. */
  settings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  /** Connection string of the database `longhaul`, password included. */
  url: string;
  port: number;
  pid: number;
  /** Whether the server was already running. */
  adopted: boolean;
  /** Stops the server, at the latest after 15 s; leaves it running when another living process uses it too. */
  stop(): Promise<void>;
}

/**
 * Starts the Postgres of `home`, or adopts the one that already runs there; the first start makes the cluster. It listens on
 * 127.0.0.1 only. Safe to call from several processes at once.
 * @throws Error saying what to do: no binaries for this machine, folder of another user, folder in use, server not starting
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const { log } = options;
  const home = prepareHome(options.home);
  const lock = { limit_ms: LOCK_LIMIT_MS, what: `Postgres of ${home}` };
  const release = await takeLock(join(home, 'postgres.lock'), lock);
  try {
    const place = choosePlace(home);
    const password = passwordOf(home, place.cluster);
    const living = await adopt(place.cluster);
    const server = living ?? (await startAnew(home, options, password));
    const url = `postgres://${POSTGRES_NAME}:${password}@127.0.0.1:${server.port}/${POSTGRES_NAME}`;
    await createDatabase(url);
    log(
      `Postgres: ${living ? 'adopted the running server' : 'started'}, port ${server.port}, pid ${server.mark.pid}`,
    );
    const letGo = hold(join(home, 'postgres-holders'));
    const stop = async () => {
      const unlock = await takeLock(join(home, 'postgres.lock'), lock);
      try {
        const others = letGo();
        if (others.length > 0) log(`Postgres: left running, process ${others.join(', ')} uses it`);
        else await endProcess(server.mark, SHUTDOWN);
      } finally {
        unlock();
      }
    };
    return { url, port: server.port, pid: server.mark.pid, adopted: living !== undefined, stop };
  } finally {
    release();
  }
}

async function startAnew(home: string, options: PostgresOptions, password: string): Promise<Postmaster> {
  const place = choosePlace(home);
  const cluster: Cluster = {
    place,
    binaries: findBinaries(place),
    log_file: join(home, 'logs', 'postgres.log'),
    settings: options.settings ?? {},
    env: options.env ?? {},
    log: options.log,
  };
  await initialise(cluster, password);
  // The port of the last time, if it is free: connection strings in people's tools stay valid.
  const note = join(home, 'postgres-port');
  const server = await launch(
    cluster,
    existsSync(note) ? Number(readFileSync(note, 'utf8')) || undefined : undefined,
  );
  writeFileSync(note, `${server.port}\n`);
  return server;
}

/** The server that already runs on the data; undefined when there is none, or it is on its way out (then that is awaited). */
async function adopt(folder: string): Promise<Postmaster | undefined> {
  const found = readPostmaster(folder);
  if (!found) return undefined;
  const ready = await whenReady(folder, () => isRunning(found.mark));
  if (!ready && isRunning(found.mark)) {
    throw new Error(
      `A Postgres runs on ${folder} (process ${found.mark.pid}) but does not get ready. End it: kill -INT ${found.mark.pid}`,
    );
  }
  return ready;
}

async function createDatabase(url: string): Promise<void> {
  const client = new Client({
    connectionString: url.replace(/\/[^/]*$/, '/postgres'),
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [POSTGRES_NAME]);
    if (rowCount === 0) await client.query(`create database ${POSTGRES_NAME}`);
  } finally {
    await client.end();
  }
}
