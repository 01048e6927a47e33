import { mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Takes one line for people, without the line end. */
export type Log = (line: string) => void;

/** Above this a log file is put aside at the next start: two files of this size are the most that stays. Bytes. */
const LOG_LIMIT_BYTES = 5 * 1024 * 1024;

/**
 * Opens a log file for appending and returns its file descriptor, which the caller closes. A file above 5 MB becomes
 * `<file>.1` first, in place of an older one. The folder is made, private, because logs quote goals of users.
 */
export function openLogFile(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o600);
}

/** The last lines of a file, for an error message; a sentence when it cannot be read. */
export function tailOf(file: string, lines = 30): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(there is none)';
  }
}
