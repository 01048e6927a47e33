import { chmodSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Folder of the package. */
export const ROOT = join(__dirname, '..', '..');

/** Folder that the development stack lives in: what `LONGHAUL_HOME` says, or `.longhaul` in the package. */
export function homeOf(env: NodeJS.ProcessEnv): string {
  return env.LONGHAUL_HOME || join(ROOT, '.longhaul');
}

/** The user that runs this process; 0 where the system has none. */
export function currentUser(): number {
  return process.geteuid?.() ?? 0;
}

/**
 * Makes the folder that all of the development stack lives in and returns its real path. Others may pass through it (as root,
 * Postgres runs as another user), but not list it: what is secret inside has a mode of its own.
 * @throws Error when the folder belongs to another user: files of two users in it would end in a broken cluster
 */
export function prepareHome(home: string): string {
  mkdirSync(home, { recursive: true, mode: 0o711 });
  const path = realpathSync(home);
  const { uid, mode } = statSync(path);
  if (uid !== currentUser()) {
    throw new Error(
      `${path} belongs to user ${uid}, and this is user ${currentUser()}. ` +
        `Start as the same user as before, or remove the folder to begin anew (its runs are lost), or choose another folder.`,
    );
  }
  if ((mode & 0o111) !== 0o111) chmodSync(path, (mode & 0o777) | 0o111);
  return path;
}

/** Whether a user that owns nothing here may reach a path: every folder above it lets others pass. */
export function othersMayReach(path: string): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((lstatSync(folder).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
