import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandOf, markOf, type ProcessMark } from './processes';

/** What `postmaster.pid` of a data folder says about a server that lives. */
export interface Postmaster {
  mark: ProcessMark;
  port: number;
  /** `starting`, `ready`, `stopping`; empty when the server has not got that far. */
  status: string;
}

/**
 * Reads `postmaster.pid` (lines: pid, data folder, start, port, socket folder, address, memory key, status) and checks that
 * the process is a Postgres of this very folder, not another one that got the number of a dead server.
 */
export function readPostmaster(folder: string): Postmaster | undefined {
  const lines = readLines(folder);
  const mark = markOf(Number(lines?.[0]));
  if (!lines || !mark || !servesFolder(mark.pid, folder)) return undefined;
  return { mark, port: Number(lines[3] ?? 0), status: lines[7]?.trim() ?? '' };
}

/**
 * Makes a left-over `postmaster.pid` harmless when its number now belongs to a process that is no server of this folder:
 * Postgres would refuse to start. The file is not removed, because its memory key is how Postgres notices that processes of
 * the dead server still run; instead it gets the pid of this process, which Postgres, seeing its own parent, takes as stale.
 * Returns the number found, undefined when there was nothing to do. Call only with the lock held and no server alive.
 */
export function clearStalePid(folder: string): number | undefined {
  const lines = readLines(folder);
  const pid = Number(lines?.[0]);
  if (!lines || !markOf(pid) || servesFolder(pid, folder)) return undefined;
  writeFileSync(pidFile(folder), [String(process.pid), ...lines.slice(1)].join('\n'));
  return pid;
}

function servesFolder(pid: number, folder: string): boolean {
  const words = commandOf(pid) ?? '';
  return words.includes('postgres') && ` ${words} `.includes(` -D ${folder} `);
}

function readLines(folder: string): string[] | undefined {
  if (!existsSync(pidFile(folder))) return undefined;
  return readFileSync(pidFile(folder), 'utf8').split('\n');
}

function pidFile(folder: string): string {
  return join(folder, 'postmaster.pid');
}
