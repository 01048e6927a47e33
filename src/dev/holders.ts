import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, readMark } from './processes';
import { ownMark } from './lock';

let count = 0;

/**
 * Notes in `folder` that this process uses a server, and returns the function that takes the note back and says which other
 * living processes still use it. A server is stopped only by its last user: one that was adopted by a second start must
 * outlive the first. Call both under the lock of the server.
 */
export function hold(folder: string): () => number[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mine = join(folder, `${process.pid}-${++count}.json`);
  writeFileSync(mine, JSON.stringify(ownMark()), { mode: 0o600 });
  return () => {
    rmSync(mine, { force: true });
    return livingHolders(folder);
  };
}

function livingHolders(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const file = join(folder, name);
    const mark = readMark(file);
    if (mark && isRunning(mark)) return [mark.pid];
    rmSync(file, { force: true });
    return [];
  });
}
