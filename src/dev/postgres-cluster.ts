import { execFile, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openLogFile, tailOf, type Log } from './log';
import { freePort, isFree } from './ports';
import { clearStalePid, readPostmaster, type Postmaster } from './postmaster';
import type { PostgresBinaries } from './postgres-binaries';
import type { PostgresPlace } from './postgres-place';
import { endProcess, listProcesses, markOf, type ProcessMark } from './processes';
import { waitFor } from './wait';

/** Name of the superuser and of the database. */
export const POSTGRES_NAME = 'longhaul';

/** Recovery after a crash reads the write-ahead log; on a laptop's disk that takes seconds, seldom more. */
const START_LIMIT_MS = 60_000;
/** Another program may take the port between the look and the start. */
const PORT_TRIES = 5;
/** A process that was killed is gone within this, milliseconds. */
const KILLED_WITHIN_MS = 10_000;

/** Laptop settings. Commits stay durable: what the stack promises must also hold in development. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // No socket file, so no folder of it to guard.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  fsync: 'on',
  timezone: 'UTC',
};

/** What is needed to make or start a cluster. */
export interface Cluster {
  place: PostgresPlace;
  binaries: PostgresBinaries;
  log_file: string;
  /** Settings of the server beyond the usual ones. */
  settings: Readonly<Record<string, string>>;
  env: NodeJS.ProcessEnv;
  log: Log;
}

/** Makes the cluster unless it exists: under another name first, so that an interrupted `initdb` is never taken for a cluster. */
export async function initialise(cluster: Cluster, password: string): Promise<void> {
  const { place, binaries, env, log } = cluster;
  if (existsSync(join(place.cluster, 'PG_VERSION'))) return;
  log(`Postgres: making a new cluster in ${place.cluster}`);
  await clearDrafts(place.folder);
  const draft = join(place.folder, `draft-${randomBytes(4).toString('hex')}`);
  const passwordFile = `${draft}-password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (place.user) chownSync(passwordFile, place.user.uid, place.user.gid);
  const options = [
    '-D',
    draft,
    '-U',
    POSTGRES_NAME,
    '-A',
    'scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--no-sync',
  ];
  // A collation of Postgres's own sorts alike on every machine.
  const collation = ['-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  try {
    await promisify(execFile)(binaries.initdb, [...options, ...collation], { ...runAs(place, env) });
    renameSync(draft, place.cluster);
  } catch (error) {
    throw new Error(`Postgres cannot make a cluster in ${place.folder}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** Removes what an earlier start that was killed had begun. Its `initdb` goes on without it, and would write into what is being removed. */
async function clearDrafts(folder: string): Promise<void> {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith('draft-')) continue;
    const draft = join(folder, name);
    // Again, because what was just ended may have begun another one.
    for (let left = usersOf(draft); left.length > 0; left = usersOf(draft)) {
      for (const mark of left) await endProcess(mark, [{ signal: 'SIGKILL', wait_ms: KILLED_WITHIN_MS }]);
    }
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Processes that were started with a name in their command. */
function usersOf(name: string): ProcessMark[] {
  return listProcesses().flatMap(({ pid, command }) => (command.includes(name) ? (markOf(pid) ?? []) : []));
}

/**
 * Starts the server, detached, so that Ctrl-C in a terminal does not end it before those that use it.
 * @throws Error with the end of its log when it does not get ready
 */
export async function launch(cluster: Cluster, wanted: number | undefined): Promise<Postmaster> {
  const recycled = clearStalePid(cluster.place.cluster);
  if (recycled !== undefined) {
    cluster.log(`Postgres: cleared a left-over postmaster.pid; process ${recycled} is another program now`);
  }
  let port = wanted !== undefined && (await isFree(wanted)) ? wanted : await freePort();
  for (let tries = 1; ; tries++) {
    const server = await launchOn(cluster, port);
    if (server) return server;
    if (tries === PORT_TRIES || (await isFree(port))) {
      throw new Error(
        `Postgres does not start. The end of ${cluster.log_file}:\n${tailOf(cluster.log_file)}`,
      );
    }
    port = await freePort();
  }
}

/** Waits until a server that lives is ready for connections; undefined when it went away or needs too long. */
export async function whenReady(folder: string, alive: () => boolean): Promise<Postmaster | undefined> {
  const end = await waitFor(
    () => {
      if (!alive()) return 'gone';
      const server = readPostmaster(folder);
      return server?.status === 'ready' && server;
    },
    { limit_ms: START_LIMIT_MS, every_ms: 10 },
  );
  return end === 'gone' ? undefined : end;
}

/** The password of the cluster, made with it and readable only by the user that starts it. */
export function passwordOf(home: string, cluster: string): string {
  const file = join(home, 'postgres-password');
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  if (existsSync(cluster)) {
    throw new Error(
      `${file} is missing, so nobody can log in to ${cluster}. Put it back, or remove that folder to begin anew.`,
    );
  }
  const password = randomBytes(24).toString('hex');
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

async function launchOn(cluster: Cluster, port: number): Promise<Postmaster | undefined> {
  const { place, binaries, log_file, settings, env } = cluster;
  const output = openLogFile(log_file);
  const given = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const child = spawn(binaries.postgres, ['-D', place.cluster, '-p', String(port), ...given], {
    ...runAs(place, env),
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  let gone = false;
  child.once('exit', () => (gone = true)).once('error', () => (gone = true));
  child.unref();
  const server = await whenReady(place.cluster, () => !gone);
  if (!server && !gone) child.kill('SIGQUIT');
  return server;
}

function runAs({ user, folder }: PostgresPlace, env: NodeJS.ProcessEnv) {
  // Messages in English: tests and people search for them. Nothing else of the environment concerns a server.
  return { ...user, cwd: folder, env: { PATH: env.PATH, LC_ALL: 'C' } };
}
