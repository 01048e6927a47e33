import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { firstState, nextState, type ChildHappening, type ChildState } from './child-state';
import { openLogFile, type Log } from './log';
import { endProcess, isRunning, markOf, readMark } from './processes';

export interface ChildOptions {
  name: string;
  /** Arguments of this very Node. */
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** File that takes what the child prints: a file and not a pipe, so that the child can still say why it ends when we are gone. */
  log_file: string;
  /** File that remembers the process, for the next start. */
  note: string;
  log: Log;
}

/** A child process that is started again when it ends. */
export interface Child {
  name: string;
  log_file: string;
  state(): ChildState;
  /** Ends it and does not start it again: SIGTERM, after `limit_ms` SIGKILL. */
  stop(limit_ms: number): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

/** A child that is left of a killed parent notices that its channel is gone; this is how long it may take to end. */
const LEFT_OVER_LIMIT = [
  { signal: 'SIGTERM', wait_ms: 5_000 },
  { signal: 'SIGKILL', wait_ms: 2_000 },
] as const;

/**
 * Starts a child process with an IPC channel and starts it again whenever it ends, after a growing pause. The message `ready` on
 * the channel makes it ready. It has a process group of its own: Ctrl-C in a terminal reaches only the parent, which ends all in order.
 */
export function startChild(options: ChildOptions): Child {
  const { name, log_file, log, note } = options;
  let state = firstState(performance.now());
  let timer: NodeJS.Timeout | undefined;
  let running = begin();

  function begin(): ChildProcess {
    const child = spawnChild(options);
    // `error` stands for a child that never came to life: then there is no `exit`.
    child.once('exit', (code, signal) => onEnd(signal ?? `code ${code}`));
    child.once('error', (error) => child.pid === undefined && onEnd(error.message));
    child.on('message', (message) => message === 'ready' && happen('ready'));
    return child;
  }

  function onEnd(how: string): void {
    happen('exited');
    rmSync(note, { force: true });
    if (state.kind !== 'pausing') return;
    const pause = Math.ceil(state.until - performance.now());
    log(`${name} ended (${how}); it starts again in ${Math.max(0, pause)} ms. Its log: ${log_file}`);
    timer = setTimeout(() => {
      happen('due');
      if (state.kind === 'running') running = begin();
    }, pause + 1);
  }

  function happen(happening: ChildHappening): void {
    state = nextState(state, happening, performance.now());
  }

  return {
    name,
    log_file,
    state: () => state,
    kill: () => {
      happen('stop');
      clearTimeout(timer);
      running.kill('SIGKILL');
    },
    stop: async (limit_ms) => {
      const pid = state.kind === 'running' ? running.pid : undefined;
      happen('stop');
      clearTimeout(timer);
      const mark = pid === undefined ? undefined : markOf(pid);
      if (mark)
        await endProcess(mark, [{ signal: 'SIGTERM', wait_ms: limit_ms }, ...LEFT_OVER_LIMIT.slice(1)]);
    },
  };
}

/** Ends the process that the note of an earlier start names, if it still runs. */
export async function clearLeftOver(name: string, note: string, log: Log): Promise<void> {
  if (!existsSync(note)) return;
  const mark = readMark(note); // without one its writer was killed while writing: the child ends by itself when its channel is gone
  if (mark && isRunning(mark)) {
    log(`Ending ${name} of an earlier start that was killed (process ${mark.pid})`);
    await endProcess(mark, LEFT_OVER_LIMIT);
  }
  rmSync(note, { force: true });
}

function spawnChild({ args, cwd, env, log_file, note }: ChildOptions): ChildProcess {
  const output = openLogFile(log_file);
  const child = spawn(process.execPath, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
  });
  closeSync(output);
  const mark = child.pid === undefined ? undefined : markOf(child.pid);
  mkdirSync(dirname(note), { recursive: true, mode: 0o700 });
  if (mark) writeFileSync(note, JSON.stringify(mark), { mode: 0o600 });
  return child;
}
