import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../db/database';
import { ANY_NAMESPACE, adoptRuns } from '../db/lost-runs';
import { migrate } from '../db/migrate';
import { clearLeftOver, startChild, type Child } from './child';
import { prepareHome } from './home';
import { keepServer } from './keep-servers';
import { takeLock } from './lock';
import { tailOf, type Log } from './log';
import { killParts, stopParts, type Part, type PartName } from './parts';
import { freePort, freePortFrom } from './ports';
import { startPostgres } from './postgres';
import { childEnvironment, developmentKey, givenValue, ownLimits } from './stack-settings';
import { writeStackNote } from './stack-note';
import { startTemporal } from './temporal-server';
import { waitFor } from './wait';

export interface StackOptions {
  /** Folder for data, logs and notes. */
  home: string;
  /** Folder of the package: its `src` has the programs. */
  root: string;
  env: NodeJS.ProcessEnv;
  log: Log;
  /** Builds the workflow bundle into a file. */
  bundle: (to: { outFile: string }) => Promise<unknown>;
}

/** What a stack that is ready offers. */
export interface StackUrls {
  api_url: string;
  /** Key for the API. */
  key: string;
  database_url: string;
  temporal_address: string;
  /** Undefined with a Temporal that `TEMPORAL_ADDRESS` names. */
  temporal_ui_url: string | undefined;
  /** Folder of the log files. */
  logs: string;
}

export interface Stack {
  /** Settles when API and worker can take work, or rejects, saying what does not start and why; then all has been stopped. */
  ready: Promise<StackUrls>;
  /** Ends all in order, within 15 s; a start that is under way is given up. */
  stop(): Promise<void>;
  /** Ends all at once, without waiting. Nothing is lost: Postgres recovers at the next start. */
  kill(): void;
}

/** A start right after a stop: the earlier one may still be ending. */
const LOCK_LIMIT_MS = 3_000;
const READY_LIMIT_MS = 60_000;
const PROBE_LIMIT_MS = 2_000;
/** A child that ended this often in a row is not going to become ready. */
const HOPELESS_FAILURES = 3;
/** What is in flight gets this long; what is cut off is tried again after the next start. */
const API_STOP_MS = 2_500;
const WORKER_STOP_MS = 5_000;
const DEFAULT_PORT = 3000;

interface Start extends StackOptions {
  parts: Map<PartName, Part>;
  signal: AbortSignal;
}

/**
 * Starts Postgres, Temporal, one API and one worker. A server that `DATABASE_URL` or `TEMPORAL_ADDRESS` names is used instead
 * of one of our own. API and worker are started again when they end. One stack at a time lives in a home.
 */
export function startStack(options: StackOptions): Stack {
  const parts = new Map<PartName, Part>();
  const giveUp = new AbortController();
  const start: Start = { ...options, parts, signal: giveUp.signal };
  const ready = startAll(start).catch(async (error: unknown) => {
    await stopParts(parts, options.log);
    throw error;
  });
  // A caller that only stops need not hear that the start was given up.
  ready.catch(() => undefined);
  return {
    ready,
    stop: async () => {
      giveUp.abort(new Error('The start was given up.'));
      await ready.catch(() => undefined);
      await stopParts(parts, options.log);
    },
    kill: () => killParts(parts),
  };
}

async function startAll(options: Start): Promise<StackUrls> {
  const home = prepareHome(options.home);
  const start = { ...options, home };
  const release = await takeLock(join(home, 'stack.lock'), {
    limit_ms: LOCK_LIMIT_MS,
    what: `The stack in ${home}`,
  });
  start.parts.set('lock', { stop: async () => release(), kill: release });
  for (const name of ['api', 'worker']) await clearLeftOver(name, join(home, 'children', name), start.log);
  const outFile = join(home, 'workflow-bundle.js');
  const starting = [postgresOf(start), temporalOf(start), start.bundle({ outFile })] as const;
  // All are waited for, whichever fails first: what was started must be among the parts by then, to be stopped.
  await Promise.allSettled(starting);
  const [database_url, temporal] = await Promise.all(starting);
  start.signal.throwIfAborted();
  await migrateSchema(database_url, start);
  await trustTemporal(database_url, start);
  const port = await choosePort(start);
  const api_url = `http://127.0.0.1:${port}`;
  const key = developmentKey(home, start.env);
  const env = childEnvironment(start.env, {
    ...ownLimits(start.env),
    NODE_ENV: 'development',
    // Their logs are files that people look into; who has a program read them says json.
    LONGHAUL_LOG_FORMAT: givenValue(start.env, 'LONGHAUL_LOG_FORMAT') ?? 'pretty',
    DATABASE_URL: database_url,
    TEMPORAL_ADDRESS: temporal.address,
    LONGHAUL_TEMPORAL_UI_URL: temporal.ui_url,
    PORT: String(port),
    LONGHAUL_DEVELOPMENT_KEY: key,
    LONGHAUL_WORKFLOW_BUNDLE: outFile,
  });
  const worker = program(start, env, {
    name: 'worker',
    file: 'src/workers/main.ts',
    limit_ms: WORKER_STOP_MS,
  });
  const api = program(start, env, { name: 'api', file: 'src/api/main.ts', limit_ms: API_STOP_MS });
  await becomeReady(start, { api, worker, api_url });
  writeStackNote(home, { api_url, key });
  const forget = () => rmSync(join(home, 'stack.json'), { force: true });
  start.parts.set('note', { stop: async () => forget(), kill: forget });
  const { address: temporal_address, ui_url: temporal_ui_url } = temporal;
  return { api_url, key, database_url, temporal_address, temporal_ui_url, logs: join(home, 'logs') };
}

async function postgresOf({ home, env, log, parts }: Start): Promise<string> {
  const given = givenValue(env, 'DATABASE_URL');
  if (given !== undefined) return given;
  const start = async () => {
    const server = await startPostgres({ home, env, log });
    return { ...server, address: server.url };
  };
  const kept = await keepServer({ name: 'Postgres', start, killSignal: 'SIGQUIT', log });
  parts.set('postgres', kept);
  return kept.address;
}

async function temporalOf(start: Start): Promise<{ address: string; ui_url: string | undefined }> {
  const { home, env, log, parts, signal } = start;
  const given = givenValue(env, 'TEMPORAL_ADDRESS');
  if (given !== undefined) return { address: given, ui_url: undefined };
  let ui_url: string | undefined;
  const again = async () => {
    const server = await startTemporal({ home, env, log, signal });
    ui_url = server.ui_url;
    return server;
  };
  const kept = await keepServer({ name: 'Temporal', start: again, killSignal: 'SIGKILL', log });
  parts.set('temporal', kept);
  return { address: kept.address, ui_url };
}

async function migrateSchema(url: string, { env, log }: Start): Promise<void> {
  try {
    const applied = await migrate(url);
    if (applied.length > 0) log(`Postgres: ${applied.length} migrations applied`);
  } catch (error) {
    const whose = givenValue(env, 'DATABASE_URL') === undefined ? 'of this stack' : 'that DATABASE_URL names';
    throw new Error(`The Postgres ${whose} cannot be prepared: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Where both stores are of this stack, its Temporal is the right one whatever became of its file: no run is carried out elsewhere. */
async function trustTemporal(url: string, { env }: Start): Promise<void> {
  const given = givenValue(env, 'DATABASE_URL') ?? givenValue(env, 'TEMPORAL_ADDRESS');
  if (given !== undefined) return;
  const db = openDatabase({ url, pool: 1, name: 'longhaul start' });
  await adoptRuns(db, ANY_NAMESPACE).finally(() => db.close());
}

async function choosePort({ env, log }: Start): Promise<number> {
  const wanted = Number(givenValue(env, 'PORT') ?? DEFAULT_PORT);
  if (!Number.isInteger(wanted) || wanted < 0 || wanted > 65_535)
    throw new Error('PORT is not a number from 0 to 65535.');
  if (wanted === 0) return freePort();
  const port = await freePortFrom(wanted);
  if (port !== wanted) log(`Port ${wanted} is taken by another program; the API listens on ${port}`);
  return port;
}

function program(
  { home, root, log, parts }: Start,
  env: NodeJS.ProcessEnv,
  { name, file, limit_ms }: { name: 'api' | 'worker'; file: string; limit_ms: number },
): Child {
  const child = startChild({
    name,
    args: ['--enable-source-maps', '--import', 'tsx', file],
    cwd: root,
    env,
    log_file: join(home, 'logs', `${name}.log`),
    note: join(home, 'children', name),
    log,
  });
  parts.set(name, { stop: () => child.stop(limit_ms), kill: () => child.kill() });
  return child;
}

async function becomeReady(
  { log, signal }: Start,
  { api, worker, api_url }: { api: Child; worker: Child; api_url: string },
): Promise<void> {
  log('Waiting for API and worker');
  const ready = await waitFor(
    async () => {
      signal.throwIfAborted();
      for (const child of [api, worker]) {
        const state = child.state();
        if (state.kind === 'pausing' && state.failures >= HOPELESS_FAILURES)
          throw notReady(child, 'does not start');
      }
      const state = worker.state();
      return state.kind === 'running' && state.ready && (await answersReady(api_url));
    },
    { limit_ms: READY_LIMIT_MS, every_ms: 100 },
  );
  if (ready) return;
  const state = worker.state();
  throw notReady(state.kind === 'running' && state.ready ? api : worker, 'is not ready after 60 s');
}

async function answersReady(api_url: string): Promise<boolean> {
  try {
    const reply = await fetch(`${api_url}/readyz`, { signal: AbortSignal.timeout(PROBE_LIMIT_MS) });
    await reply.body?.cancel();
    return reply.status === 200;
  } catch {
    return false;
  }
}

function notReady({ name, log_file }: Child, how: string): Error {
  return new Error(`${name} ${how}. The end of ${log_file}:\n${tailOf(log_file)}`);
}
