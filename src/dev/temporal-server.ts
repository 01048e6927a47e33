import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hold } from './holders';
import { prepareHome } from './home';
import { takeLock } from './lock';
import { openLogFile, tailOf, type Log } from './log';
import { freePort, isFree } from './ports';
import { endProcess, isRunning, listProcesses, markOf, type ProcessMark } from './processes';
import { findTemporal } from './temporal-cli';
import { portsOf, SEARCH_ATTRIBUTES, serverArguments, type TemporalPorts } from './temporal-flags';
import { waitFor } from './wait';

/** A second start waits for the first, which may be fetching the program. */
const LOCK_LIMIT_MS = 22 * 60_000;
const START_LIMIT_MS = 30_000;
/** Another program may take a port between the look and the start. */
const PORT_TRIES = 5;
/** Finished runs can be read in Temporal this long. */
const RETENTION = '720h';

const SHUTDOWN = [
  { signal: 'SIGTERM', wait_ms: 10_000 },
  { signal: 'SIGKILL', wait_ms: 3_000 },
] as const;

export interface TemporalOptions {
  /** Folder that the development stack lives in; made if absent. */
  home: string;
  log: Log;
  /** Environment for the programs: PATH, HOME, XDG_CACHE_HOME, pip's settings. */
  env?: NodeJS.ProcessEnv;
  /** Gives up fetching the program. */
  signal?: AbortSignal;
}

export interface RunningTemporal {
  /** `127.0.0.1:port` of the frontend; the namespace is `default`. */
  address: string;
  ui_url: string;
  pid: number;
  /** Whether the server was already running. */
  adopted: boolean;
  /** Stops the server, at the latest after 13 s; leaves it running when another living process uses it too. */
  stop(): Promise<void>;
}

interface Server extends TemporalPorts {
  mark: ProcessMark;
}

/**
 * Starts the Temporal development server of `home`, or adopts the one that already runs there. It listens on 127.0.0.1 only
 * and keeps its histories in a file. Safe to call from several processes at once.
 * @throws Error saying what to do: program not found, folder of another user, folder in use, server not starting
 */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  const { log, env = {}, signal } = options;
  const home = prepareHome(options.home);
  const folder = join(home, 'temporal');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Of our own: a second server on the same file starts without complaint, and both write.
  const lock = { limit_ms: LOCK_LIMIT_MS, what: `Temporal of ${home}` };
  const release = await takeLock(join(folder, 'lock'), lock);
  try {
    const program = await findTemporal({ log, env, ...(signal && { signal }) });
    const living = await adopt(join(folder, 'temporal.db'));
    const server = living ?? (await launch({ program, home, env }));
    await prepareNamespace(program, server, env);
    log(
      `Temporal: ${living ? 'adopted the running server' : 'started'}, port ${server.port}, pid ${server.mark.pid}`,
    );
    const letGo = hold(join(folder, 'holders'));
    const stop = async () => {
      const unlock = await takeLock(join(folder, 'lock'), lock);
      try {
        const others = letGo();
        if (others.length > 0) log(`Temporal: left running, process ${others.join(', ')} uses it`);
        else await endProcess(server.mark, SHUTDOWN);
      } finally {
        unlock();
      }
    };
    return {
      address: `127.0.0.1:${server.port}`,
      ui_url: `http://127.0.0.1:${server.ui_port}`,
      pid: server.mark.pid,
      adopted: living !== undefined,
      stop,
    };
  } finally {
    release();
  }
}

/**
 * The server that already runs on the file, found by its command line: a note of ours could be missing, when its writer was
 * killed, or name a process that has long been another one. A server with other flags, of another version of this code, is ended.
 */
async function adopt(file: string): Promise<Server | undefined> {
  for (const { pid, command } of listProcesses()) {
    if (!command.includes(` --db-filename ${file} `)) continue;
    const mark = markOf(pid);
    if (!mark) continue;
    const ports = portsOf(command, file);
    if (ports) return { ...ports, mark };
    await endProcess(mark, SHUTDOWN);
  }
  return undefined;
}

/** Starts the server, detached: it outlives a killed parent (the next start adopts it) and does not hear Ctrl-C before its users. */
async function launch(where: { program: string; home: string; env: NodeJS.ProcessEnv }): Promise<Server> {
  const log_file = join(where.home, 'logs', 'temporal.log');
  const ports_note = join(where.home, 'temporal', 'ports.json');
  for (let tries = 1; ; tries++) {
    const { port, ui_port } = await choosePorts(tries === 1 ? ports_note : undefined);
    const output = openLogFile(log_file);
    const given = serverArguments({ port, ui_port }, join(where.home, 'temporal', 'temporal.db'));
    const child = spawn(where.program, given, {
      env: where.env,
      detached: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    let gone = false;
    child.once('exit', () => (gone = true)).once('error', () => (gone = true));
    child.unref();
    const ready = await waitFor(async () => gone || !(await isFree(port)), { limit_ms: START_LIMIT_MS });
    const mark = child.pid === undefined || gone ? undefined : markOf(child.pid);
    if (ready && mark) {
      writeFileSync(ports_note, JSON.stringify({ port, ui_port }));
      return { mark, port, ui_port };
    }
    if (!gone) child.kill('SIGKILL');
    // One that ended at once may have lost a port: ours, or one of those that it chooses by itself, where it says no more than a panic.
    if (tries === PORT_TRIES || !gone)
      throw new Error(`Temporal does not start. The end of ${log_file}:\n${tailOf(log_file)}`);
  }
}

/** The ports of the last time, when both are free: addresses in browsers and tools stay valid. Else free ones. */
async function choosePorts(note: string | undefined): Promise<TemporalPorts> {
  const known = note === undefined ? undefined : readPorts(note);
  if (known && (await isFree(known.port)) && (await isFree(known.ui_port))) return known;
  const port = await freePort();
  return {
    port,
    ui_port: port + 1000 < 65_536 && (await isFree(port + 1000)) ? port + 1000 : await freePort(),
  };
}

function readPorts(note: string): TemporalPorts | undefined {
  try {
    const { port, ui_port } = JSON.parse(readFileSync(note, 'utf8')) as TemporalPorts;
    return Number.isInteger(port) && Number.isInteger(ui_port) ? { port, ui_port } : undefined;
  } catch {
    return undefined; // absent, or cut short by a kill
  }
}

/** Both settings act from flags only on a new file, so they are made again on every start; both may be made twice. Also the proof that the server answers. */
async function prepareNamespace(program: string, server: Server, env: NodeJS.ProcessEnv): Promise<void> {
  const operator = (...args: string[]) =>
    promisify(execFile)(program, ['operator', ...args, '--address', `127.0.0.1:${server.port}`], {
      env,
      timeout: START_LIMIT_MS,
    });
  let reason: unknown;
  const done = await waitFor(
    async () => {
      if (!isRunning(server.mark))
        throw new Error('Temporal ended while it was starting.', { cause: reason });
      try {
        await operator('namespace', 'update', '--retention', RETENTION, '--namespace', 'default');
        const names = SEARCH_ATTRIBUTES.flatMap((name) => ['--name', name, '--type', 'Keyword']);
        await operator('search-attribute', 'create', ...names, '--namespace', 'default');
        return true;
      } catch (error) {
        reason = error;
        return false;
      }
    },
    { limit_ms: START_LIMIT_MS, every_ms: 50 },
  );
  if (!done)
    throw new Error(
      `Temporal runs (process ${server.mark.pid}) but does not answer: ${(reason as Error).message}`,
    );
}
