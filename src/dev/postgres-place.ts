import { execFileSync } from 'node:child_process';
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { currentUser, othersMayReach } from './home';

/** Where a cluster lives and as whom it runs. */
export interface PostgresPlace {
  /** Private folder of the server's user: data, and the binaries when they had to be copied. */
  folder: string;
  /** Folder of the cluster itself, once there is one. */
  cluster: string;
  /** The user to run as; undefined for the one that runs this process. */
  user: { uid: number; gid: number } | undefined;
}

/** User number of `nobody` on Linux. */
const NOBODY = 65_534;

/**
 * Finds the place of the cluster of `home`, making it at the first start. Postgres refuses to run as root; then it runs as
 * `nobody`, in `home` if `nobody` can get there, else in a folder elsewhere that a note in `home` remembers.
 * @throws Error when the data there belong to another user
 */
export function choosePlace(home: string): PostgresPlace {
  const user = currentUser() === 0 ? nobody() : undefined;
  const folder = user && !othersMayReach(join(home, 'postgres')) ? elsewhere(home) : join(home, 'postgres');
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 });
    if (user) chownSync(folder, user.uid, user.gid);
  }
  const owner = statSync(folder).uid;
  const runner = user?.uid ?? currentUser();
  if (owner !== runner) {
    throw new Error(
      `The Postgres data in ${folder} belong to user ${owner}, and the server would run as user ${runner}. ` +
        'Start as the same user as before, or remove that folder to begin anew (its runs are lost).',
    );
  }
  return { folder, cluster: join(folder, 'data'), user };
}

function elsewhere(home: string): string {
  const note = join(home, 'postgres-place');
  const known = existsSync(note) ? readFileSync(note, 'utf8').trim() : '';
  if (known !== '') return known;
  const folder = join(outside(), `longhaul-${randomBytes(6).toString('hex')}`);
  writeFileSync(note, `${folder}\n`);
  return folder;
}

function outside(): string {
  try {
    accessSync('/var/lib', constants.W_OK);
    return '/var/lib';
  } catch {
    return tmpdir();
  }
}

function nobody(): { uid: number; gid: number } {
  return { uid: idOf('-u'), gid: idOf('-g') };
}

function idOf(flag: '-u' | '-g'): number {
  try {
    const id = Number(
      execFileSync('id', [flag, 'nobody'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    return Number.isSafeInteger(id) && id > 0 ? id : NOBODY;
  } catch {
    return NOBODY;
  }
}
