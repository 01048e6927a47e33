import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { waitFor } from './wait';

/**
 * A process, not only its number: numbers are used again, so a pid read from a file proves nothing. The pair of pid and start
 * is unique on a machine, across reboots too.
 */
export interface ProcessMark {
  pid: number;
  /** When the process began, in whatever words the system has for it; only compared, never read. */
  started: string;
}

/** Marks the process that has this pid now; undefined when there is none, or only a zombie waiting for its parent. */
export function markOf(pid: number): ProcessMark | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  const started = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether the very process of this mark still runs. */
export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}

/** The mark that a file holds; none where its writer was killed while writing. */
export function readMark(file: string): ProcessMark | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessMark;
  } catch {
    return undefined;
  }
}

/** The command line of a process, arguments joined by blanks; undefined when it is gone or not ours to see. */
export function commandOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return ps(['-ww', '-o', 'command=', '-p', String(pid)]);
  const line = read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
  return line === '' ? undefined : line;
}

/** All processes that can be seen, with their command lines. */
export function listProcesses(): { pid: number; command: string }[] {
  if (process.platform !== 'linux') {
    const lines = ps(['-axww', '-o', 'pid=,command='])?.split('\n') ?? [];
    return lines.flatMap((line) => {
      const [, pid, command] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return pid === undefined || command === undefined ? [] : [{ pid: Number(pid), command }];
    });
  }
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).flatMap((pid) => {
    const command = commandOf(pid);
    return command === undefined ? [] : [{ pid, command }];
  });
}

/**
 * Ends a process by ever stronger signals, each given its time, and returns when it is gone.
 * @throws Error when it outlives the last one
 */
export async function endProcess(
  mark: ProcessMark,
  signals: readonly { signal: NodeJS.Signals; wait_ms: number }[],
): Promise<void> {
  for (const { signal, wait_ms } of signals) {
    if (!isRunning(mark)) return;
    sendSignal(mark.pid, signal);
    if (await waitFor(() => !isRunning(mark), { limit_ms: wait_ms, every_ms: 10 })) return;
  }
  throw new Error(`Process ${mark.pid} does not end. End it by hand: kill -9 ${mark.pid}`);
}

/** Sends a signal; a process that went away in between is no error. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function startOnLinux(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name in brackets may hold blanks and brackets itself: fields are counted from the last one. State is field 3, start field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${read('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}/${fields[19] ?? ''}`;
}

function startByPs(pid: number): string | undefined {
  const [state, ...started] = ps(['-o', 'state=,lstart=', '-p', String(pid)])?.split(/\s+/) ?? [];
  return state === undefined || state.startsWith('Z') ? undefined : started.join(' ');
}

function ps(args: string[]): string | undefined {
  try {
    const text = execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
