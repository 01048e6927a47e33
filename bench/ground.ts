import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../src/db/migrate';
import { freePort } from '../src/dev/ports';
import { startPostgres } from '../src/dev/postgres';
import { ownLimits } from '../src/dev/stack-settings';
import { startTemporal } from '../src/dev/temporal-server';
import { bundleWorkflows } from '../src/workers/bundle-workflows';
import { startProgram, type Program } from '../test/support/stack';

const KEY = 'lh_bench_development_key_of_the_benchmarks';

/** What a benchmark of whole runs stands on: an embedded Postgres and Temporal, one API process and one worker process. */
export interface Ground {
  readonly api_url: string;
  /** What requests carry. */
  readonly headers: Record<string, string>;
  /** URL of the database, as its owner. */
  readonly database_url: string;
  readonly temporal_address: string;
  /** Process ids, by what they run. */
  readonly pids: Record<'worker' | 'api' | 'postgres' | 'temporal', number>;
  /** Starts another main file, with the same settings. */
  start(main: string): Promise<Program>;
  stop(): Promise<void>;
}

/** Starts it all in a folder of its own, which is removed in the end. @param settings of API and worker, over the usual ones */
export async function startGround(settings: Record<string, string>): Promise<Ground> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  /** What has started, to be ended in the opposite order. */
  const ends: (() => Promise<void>)[] = [async () => rmSync(home, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const { env } = process;
    const options = { home, log: () => undefined, env };
    const bundle = join(home, 'bundle.js');
    const postgres = await startPostgres(options);
    ends.push(() => postgres.stop());
    const temporal = await startTemporal(options);
    ends.push(() => temporal.stop());
    await Promise.all([migrate(postgres.url), bundleWorkflows({ outFile: bundle })]);
    const port = await freePort();
    const start = async (main: string): Promise<Program> => {
      const program = await startProgram(main, {
        ...env,
        ...ownLimits(env),
        NODE_ENV: 'development',
        LOG_LEVEL: 'warn',
        DATABASE_URL: postgres.url,
        TEMPORAL_ADDRESS: temporal.address,
        LONGHAUL_WORKFLOW_BUNDLE: bundle,
        LONGHAUL_DEVELOPMENT_KEY: KEY,
        PORT: String(port),
        ...settings,
      });
      ends.push(() => program.kill());
      return program;
    };
    const api = await start('src/api/main.ts');
    const worker = await start('src/workers/main.ts');
    return {
      api_url: `http://127.0.0.1:${port}`,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      database_url: postgres.url,
      temporal_address: temporal.address,
      start,
      pids: {
        worker: worker.process.pid!,
        api: api.process.pid!,
        postgres: postgres.pid,
        temporal: temporal.pid,
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
