import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate';
import { startPostgres } from '../../src/dev/postgres';
import { startTemporal } from '../../src/dev/temporal-server';
import { bundleWorkflows } from '../../src/workers/bundle-workflows';
import { SERVERS, type Servers } from './database';

/** What the tear-down has to stop; Jest runs both in one process. */
export interface Started {
  home: string;
  stop: (() => Promise<void>)[];
}
export const STARTED = Symbol.for('longhaul.test.started');

/** Starts one Postgres and one Temporal server for all files of the project `real`, and builds the workflow bundle they run. */
export default async function setUp(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-test-'));
  const log = () => undefined;
  const { env } = process;
  const bundle = join(home, 'workflow-bundle.js');
  const [postgres, temporal] = await Promise.all([
    // The cluster lives as long as the test run: what a power cut would do to it is not asked.
    startPostgres({ home, log, env, settings: { fsync: 'off', max_connections: '300' } }),
    startTemporal({ home, log, env }),
    bundleWorkflows({ outFile: bundle }),
  ]);
  await migrate(postgres.url);
  const servers: Servers = { template_url: postgres.url, temporal_address: temporal.address, bundle };
  process.env[SERVERS] = JSON.stringify(servers);
  const started: Started = { home, stop: [() => temporal.stop(), () => postgres.stop()] };
  (globalThis as Record<symbol, unknown>)[STARTED] = started;
}
