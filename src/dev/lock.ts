import { linkSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { isRunning, markOf, type ProcessMark } from './processes';
import { waitFor } from './wait';

/*
 * A lock is a file that names its owner. It appears complete and at most once, because `link` refuses an existing name.
 * A dead owner's lock may be broken only by who holds the lock named after that very owner's token: without it, two starters
 * could both find the dead owner, and the slower one would remove the lock that the faster one has just taken.
 */

interface Owner extends ProcessMark {
  token: string;
}

/**
 * Takes a lock and returns the function that gives it back. Waits up to `limit_ms` for a living owner; a dead owner's lock is
 * taken over.
 * @throws Error naming the owner, when it still holds the lock after `limit_ms`
 */
export async function takeLock(
  file: string,
  { limit_ms, what }: { limit_ms: number; what: string },
): Promise<() => void> {
  const taken = await waitFor(() => tryLock(file), { limit_ms });
  if (taken) return taken;
  const owner = readOwner(file);
  throw new Error(
    `${what} is in use by process ${owner?.pid ?? 'unknown'} (lock ${file}). Stop that process first, or choose another folder.`,
  );
}

/** Takes a lock if nobody alive has it; undefined otherwise. */
export function tryLock(file: string): (() => void) | undefined {
  const me: Owner = { ...ownMark(), token: randomBytes(6).toString('hex') };
  const draft = `${file}.${me.token}.draft`;
  writeFileSync(draft, JSON.stringify(me), { mode: 0o600 });
  try {
    if (!linkIfAbsent(draft, file) && !(breakIfDead(file) && linkIfAbsent(draft, file))) return undefined;
    return () => {
      if (readOwner(file)?.token === me.token) unlinkSync(file);
    };
  } finally {
    unlinkSync(draft);
  }
}

/** The mark of this process. */
export function ownMark(): ProcessMark {
  const mark = markOf(process.pid);
  if (!mark) throw new Error('This process cannot see itself: neither /proc nor `ps` works here.');
  return mark;
}

function breakIfDead(file: string): boolean {
  const owner = readOwner(file);
  if (!owner) return true;
  if (isRunning(owner)) return false;
  const giveBack = tryLock(`${file}.${owner.token}`);
  if (!giveBack) return false;
  try {
    if (readOwner(file)?.token === owner.token) unlinkSync(file);
    return true;
  } finally {
    giveBack();
  }
}

function readOwner(file: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Owner;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Error(`The lock ${file} cannot be read. Remove it when no Longhaul runs there.`, {
      cause: error,
    });
  }
}

function linkIfAbsent(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
