import { Client, Connection } from '@temporalio/client';
import { loadApiConfig, type Config } from '../config';
import { acceptedApiKeys, allowDevelopmentKey } from '../db/api-keys';
import { openDatabase, type Database } from '../db/database';
import { missingMigrations } from '../db/migrate';
import { useStreamTicket } from '../db/stream-tickets';
import { EventHub } from '../events/hub';
import { createInputCheck } from '../planning/input-check';
import { RunStarts } from '../runs/run-starts';
import { createRunWorkflows } from '../runs/run-workflows';
import { endWithin, runToEnd, stopRequest } from '../process-end';
import { createLogger } from '../telemetry/logger';
import { loadTools } from '../tools/load-tools';
import { acceptKeys } from './accepted-keys';
import type { ApiDeps } from './deps';
import { watchLoad } from './load';
import { createRateLimits } from './rate-limits';
import { serve } from './serve';
import { SOCKET_LIMITS } from './socket-limits';
import { STREAM_LIMITS } from './stream/limits';
import { OpenStreams } from './stream/open-streams';

/** Requests under way get this long when the process stops, milliseconds. */
const FINISH_WITHIN_MS = 5_000;
/** After this the process ends whatever hangs, milliseconds: an orchestrator kills after 30 s as a rule. */
const STOP_WITHIN_MS = 20_000;

async function main(): Promise<void> {
  const config = loadApiConfig();
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
  const { LONGHAUL_DEVELOPMENT_KEY: key } = config;
  if (key !== undefined) await allowDevelopmentKey(db, key);
  const production = config.NODE_ENV === 'production';
  const keys = acceptKeys(db, {
    production,
    onFault: (err) => log.warn({ err }, 'The last uses of keys could not be noted; they are noted later.'),
  });
  const load = watchLoad(config.LONGHAUL_SHED_LAG_MS);
  const settings = settingsOf(config);
  const workflows = createRunWorkflows(client, config.LONGHAUL_TASK_QUEUE);
  const starts = new RunStarts(workflows, (run_id, err) =>
    log.warn({ run_id, err }, 'Temporal did not take the run; it is started later.'),
  );
  const deps: ApiDeps = {
    db,
    findKey: keys.find,
    forgetKey: keys.forget,
    useTicket: (ticket) => useStreamTicket(db, ticket, { production }),
    limits: createRateLimits({ db, quotas: settings.quotas }),
    load,
    hub,
    streams: new OpenStreams({
      limits: settings.stream,
      acceptedKeys: (ids) => acceptedApiKeys(db, ids, { production }),
      onFault: (what, err) => log.warn({ err }, what),
    }),
    workflows,
    starts,
    tools: loadTools(config.LONGHAUL_TOOL_PACKS),
    checkInput: createInputCheck(),
    rules: config.rules,
    log,
    settings,
    stopping: new AbortController(),
    checks: checksOf(db, connection),
  };
  const { HOST: host, PORT: port, drain_s } = config;
  const api = await serve(deps, {
    host,
    port,
    drain_ms: drain_s * 1_000,
    finish_within_ms: FINISH_WITHIN_MS,
  });
  log.info({ address: api.address }, 'The API listens.');
  process.send?.('ready');

  await stopRequest();
  endWithin('API', STOP_WITHIN_MS);
  log.info('The API stops.');
  await api.close();
  load.close();
  await keys.close();
  await starts.settled();
  await connection.close();
  await db.close();
}

function settingsOf(config: Config): ApiDeps['settings'] {
  return {
    version: config.version,
    public_url: config.public_url,
    trust_proxy: config.trust_proxy,
    allowed_origins: config.LONGHAUL_ALLOWED_ORIGINS,
    sockets: {
      ...SOCKET_LIMITS,
      connections: config.LONGHAUL_MAX_CONNECTIONS,
      connections_per_address: config.max_connections_per_address,
    },
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
    stream: { ...STREAM_LIMITS, per_key: config.LONGHAUL_STREAMS_PER_KEY },
  };
}

function checksOf(db: Database, connection: Connection): ApiDeps['checks'] {
  return {
    postgres: () => checkSchema(db),
    temporal: async () => {
      await connection.withDeadline(Date.now() + 1_000, () => connection.workflowService.getSystemInfo({}));
    },
  };
}

/** Postgres answers and has the schema this release needs. */
async function checkSchema(db: Database): Promise<void> {
  const rows = await db.query<{ name: string }>('select name from schema_migrations');
  const missing = missingMigrations(rows.map(({ name }) => name));
  if (missing.length > 0) throw new Error(`The database lacks ${missing.join(', ')}.`);
}

runToEnd('API', main);
