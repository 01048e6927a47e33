import { createServer, type Server } from 'node:http';
import { Client, Connection } from '@temporalio/client';
import { loadConfig, type Config } from '../config';
import { allowDevelopmentKey } from '../db/api-keys';
import { openDatabase, type Database } from '../db/database';
import { missingMigrations } from '../db/migrate';
import { EventHub } from '../events/hub';
import { createInputCheck } from '../planning/input-check';
import { createRunWorkflows } from '../runs/run-workflows';
import { runToEnd, stopRequest } from '../process-end';
import { createLogger } from '../telemetry/logger';
import { loadTools } from '../tools/load-tools';
import { acceptKeys } from './accepted-keys';
import { createApp } from './app';
import type { ApiDeps } from './deps';
import { watchLoad } from './load';
import { createRateLimits } from './rate-limits';
import { refuseBadBytes } from './raw-problem';
import { STREAM_LIMITS } from './stream/limits';
import { attachWebSocket } from './stream/websocket';

/** Requests under way get this long when the process stops, milliseconds. */
const CLOSE_WITHIN_MS = 5_000;

async function main(): Promise<void> {
  const config = loadConfig();
  const log = createLogger({ level: config.LOG_LEVEL, name: 'api' });
  for (const warning of config.warnings) log.warn(warning);
  const db = openDatabase({
    url: config.DATABASE_URL,
    pool: config.LONGHAUL_DB_POOL,
    name: 'longhaul api',
    onIdleError: (err) => log.warn({ err }, 'A connection to Postgres was lost.'),
  });
  const hub = new EventHub({ url: config.DATABASE_URL, db, onFault: (what, err) => log.warn({ err }, what) });
  const connection = Connection.lazy({ address: config.TEMPORAL_ADDRESS });
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  if (config.LONGHAUL_DEVELOPMENT_KEY !== undefined)
    await allowDevelopmentKey(db, config.LONGHAUL_DEVELOPMENT_KEY);

  const keys = acceptKeys(db, {
    production: config.NODE_ENV === 'production',
    onFault: (err) => log.warn({ err }, 'The last uses of keys could not be noted; they are noted later.'),
  });
  const load = watchLoad(config.LONGHAUL_SHED_LAG_MS);
  const settings = settingsOf(config);
  const deps: ApiDeps = {
    db,
    findKey: keys.find,
    forgetKey: keys.forget,
    limits: createRateLimits({ db, quotas: settings.quotas }),
    load,
    hub,
    workflows: createRunWorkflows(client, config.LONGHAUL_TASK_QUEUE),
    tools: loadTools(config.LONGHAUL_TOOL_PACKS),
    checkInput: createInputCheck(),
    rules: config.rules,
    log,
    settings,
    checks: {
      postgres: () => checkSchema(db),
      temporal: async () => {
        await connection.withDeadline(Date.now() + 1_000, () => connection.workflowService.getSystemInfo({}));
      },
    },
  };
  const server = createServer(createApp(deps));
  refuseBadBytes(server, deps.settings);
  const sockets = attachWebSocket(server, deps);
  await listening(server, config);
  log.info({ address: server.address() }, 'The API listens.');
  process.send?.('ready');

  await stopRequest();
  log.info('The API stops.');
  const closed = new Promise((resolve) => server.close(resolve));
  await Promise.all([sockets.close(), hub.close()]); // ends the streams, so that the server can close
  setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS).unref();
  server.closeIdleConnections();
  await closed;
  load.close();
  await keys.close();
  await connection.close();
  await db.close();
}

function listening(server: Server, { PORT, HOST }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(PORT, HOST, resolve);
  });
}

function settingsOf(config: Config): ApiDeps['settings'] {
  return {
    public_url: config.public_url,
    body_limit: config.LONGHAUL_BODY_LIMIT,
    quotas: {
      submits: config.LONGHAUL_SUBMITS_PER_MINUTE,
      writes: config.LONGHAUL_WRITES_PER_MINUTE,
      reads: config.LONGHAUL_READS_PER_MINUTE,
      streams: config.LONGHAUL_STREAMS_PER_MINUTE,
    },
    open_runs: config.LONGHAUL_OPEN_RUNS_PER_TENANT,
    temporal_namespace: config.TEMPORAL_NAMESPACE,
    temporal_ui_url: config.LONGHAUL_TEMPORAL_UI_URL,
    stream: STREAM_LIMITS,
  };
}

/** Postgres answers and has the schema this release needs. */
async function checkSchema(db: Database): Promise<void> {
  const rows = await db.query<{ name: string }>('select name from schema_migrations');
  const missing = missingMigrations(rows.map(({ name }) => name));
  if (missing.length > 0) throw new Error(`The database lacks ${missing.join(', ')}.`);
}

runToEnd('API', main);
