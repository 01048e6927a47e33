import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownMark } from './lock';
import { isRunning, type ProcessMark } from './processes';

/** How to reach the stack that runs in a folder. */
export interface StackNote {
  api_url: string;
  key: string;
}

/** Remembers how to reach the stack that this process runs. Readable only by its user: it holds the key. */
export function writeStackNote(home: string, note: StackNote): void {
  const content = { ...note, owner: ownMark() };
  writeFileSync(join(home, 'stack.json'), JSON.stringify(content), { mode: 0o600 });
}

/** How to reach the stack that runs in `home`; undefined when none does. */
export function readStackNote(home: string): StackNote | undefined {
  const file = join(home, 'stack.json');
  if (!existsSync(file)) return undefined;
  try {
    const { api_url, key, owner } = JSON.parse(readFileSync(file, 'utf8')) as StackNote & {
      owner: ProcessMark;
    };
    return isRunning(owner) ? { api_url, key } : undefined;
  } catch {
    // Cut short by a kill, or of another user: then this process could not use the stack either.
    return undefined;
  }
}
