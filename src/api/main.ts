import { createServer } from 'node:http';
import { Connection } from '@temporalio/client';
import { loadConfig, type Config } from '../config';
import { allowDevelopmentKey, findApiKey } from '../db/api-keys';
import { openDatabase, type Database } from '../db/database';
import { queueAge } from '../db/runs';
import { missingMigrations } from '../db/migrate';
import { EventHub } from '../events/hub';
import { createInputCheck } from '../planning/input-check';
import { createRunWorkflows } from '../runs/run-workflows';
import { runToEnd, stopRequest } from '../process-end';
import { createApiMetrics, type ApiMetrics } from '../telemetry/api-metrics';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry';
import { loadTools } from '../tools/load-tools';
import { createApp } from './app';
import type { ApiDeps } from './deps';
import { refuseBadBytes } from './raw-problem';
import { STREAM_LIMITS } from './stream/limits';
import { attachWebSocket } from './stream/websocket';

/** Requests under way get this long when the process stops, milliseconds. */
const CLOSE_WITHIN_MS = 5_000;

async function main(): Promise<void> {
  const config = loadConfig();
  const tools = loadTools(config.LONGHAUL_TOOL_PACKS);
  const telemetry = createTelemetry({ ...config.log, name: 'api', tools: tools.catalogue.names() });
  const { log, context, register } = telemetry;
  const metrics = createApiMetrics(register);
  for (const warning of config.warnings) log.warn(warning);
  const { db, hub } = openRecord(config, telemetry, metrics);
  const connection = Connection.lazy({ address: config.TEMPORAL_ADDRESS });
  if (config.LONGHAUL_DEVELOPMENT_KEY !== undefined)
    await allowDevelopmentKey(db, config.LONGHAUL_DEVELOPMENT_KEY);

  const checkInput = createInputCheck();
  telemetry.watch({
    pool: db.connections,
    caches: { input_schemas: checkInput.compiled, watched_runs: () => hub.watched() },
    queueAge: () => queueAge(db),
  });
  const production = config.NODE_ENV === 'production';
  const deps: ApiDeps = {
    db,
    findKey: (secret) => findApiKey(db, secret, { production }),
    hub,
    workflows: createRunWorkflows(
      { connection, namespace: config.TEMPORAL_NAMESPACE },
      config.LONGHAUL_TASK_QUEUE,
    ),
    tools,
    checkInput,
    rules: config.rules,
    log,
    context,
    metrics,
    register,
    settings: settingsOf(config),
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
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.PORT, config.HOST, resolve);
  });
  log.info({ address: server.address() }, 'The API listens.');
  process.send?.('ready');

  await stopRequest();
  log.info('The API stops.');
  const closed = new Promise((resolve) => server.close(resolve));
  await Promise.all([sockets.close(), hub.close()]); // ends the streams, so that the server can close
  setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS).unref();
  server.closeIdleConnections();
  await closed;
  await connection.close();
  await db.close();
}

/** The record, and what follows its events. */
function openRecord(
  config: Config,
  { log, onFacts }: Telemetry,
  { lag }: ApiMetrics,
): { db: Database; hub: EventHub } {
  const db = openDatabase({
    url: config.DATABASE_URL,
    pool: config.LONGHAUL_DB_POOL,
    name: 'longhaul api',
    onFacts,
    onIdleError: (err) => log.warn({ err }, 'A connection to Postgres was lost.'),
  });
  const hub = new EventHub({
    url: config.DATABASE_URL,
    db,
    onFault: (what, err) => log.warn({ err }, what),
    onLag: lag,
  });
  return { db, hub };
}

function settingsOf(config: Config): ApiDeps['settings'] {
  return {
    public_url: config.public_url,
    body_limit: config.LONGHAUL_BODY_LIMIT,
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
