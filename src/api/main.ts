import { Connection } from '@temporalio/client';
import { loadApiConfig, type Config } from '../config';
import { acceptedApiKeys, allowDevelopmentKey } from '../db/api-keys';
import { openDatabase, type Database } from '../db/database';
import { missingMigrations } from '../db/migrate';
import { queueAge } from '../db/run-starts';
import { useStreamTicket } from '../db/stream-tickets';
import { loadPrices } from '../llm/prices';
import { createPricing } from '../llm/pricing';
import { forecastAnswers } from '../planning/forecast-answer';
import { ANSWER_TIER } from '../planning/model-answer';
import { loadPrompts } from '../prompts/load-prompts';
import { createEndpointStates, endpointKey } from '../llm/endpoint-states';
import { EventHub } from '../events/hub';
import { createInputCheck } from '../planning/input-check';
import { endWithin, runToEnd, stopRequest } from '../process-end';
import { createRunWaker } from '../runs/run-workflows';
import { createApiMetrics, type ApiMetrics } from '../telemetry/api-metrics';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry';
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
  const stop = stopRequest(); // heard from now on: whoever reads that it is ready may tell it to stop in the same moment
  const config = loadApiConfig();
  const tools = loadTools(config.LONGHAUL_TOOL_PACKS);
  const telemetry = createTelemetry({ ...config.log, name: 'api', tools: tools.catalogue.names() });
  const { log } = telemetry;
  for (const warning of config.warnings) log.warn(warning);
  const metrics = createApiMetrics(telemetry.register);
  const { db, hub } = openRecord(config, telemetry, metrics);
  if (config.LONGHAUL_DEVELOPMENT_KEY !== undefined)
    await allowDevelopmentKey(db, config.LONGHAUL_DEVELOPMENT_KEY);
  const { deps, close } = makeApi(config, { telemetry, metrics, db, hub, tools });
  const { HOST: host, PORT: port, drain_s } = config;
  const api = await serve(deps, {
    host,
    port,
    drain_ms: drain_s * 1_000,
    finish_within_ms: FINISH_WITHIN_MS,
  });
  log.info({ address: api.address }, 'The API listens.');
  process.send?.('ready');

  await stop;
  endWithin('API', STOP_WITHIN_MS);
  log.info('The API stops.');
  await api.close();
  await close();
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
  const onFault = (what: string, err: Error) => log.warn({ err }, what);
  return { db, hub: new EventHub({ url: config.DATABASE_URL, db, onFault, onLag: lag }) };
}

interface Parts extends Pick<ApiDeps, 'metrics' | 'hub' | 'tools'> {
  telemetry: Telemetry;
  db: Database;
}

/** What the API is made of. @returns it, and what lets go of it once the API has ended. */
function makeApi(
  config: Config,
  { telemetry, metrics, db, hub, tools }: Parts,
): { deps: ApiDeps; close: () => Promise<void> } {
  const { log, context, register } = telemetry;
  const production = config.NODE_ENV === 'production';
  const settings = settingsOf(config);
  const connection = Connection.lazy({ address: config.TEMPORAL_ADDRESS });
  const onFault = (what: string, err: unknown) => log.warn({ err }, what);
  const notNoted = (err: unknown) => onFault('The last uses of keys are noted later', err);
  const keys = acceptKeys(db, { production, onFault: notNoted });
  const acceptedKeys = (ids: string[]) => acceptedApiKeys(db, ids, { production });
  const load = watchLoad(config.LONGHAUL_SHED_LAG_MS);
  const checkInput = createInputCheck();
  watch({ telemetry, db, hub, checkInput });
  const deps: ApiDeps = {
    db,
    findKey: keys.find,
    forgetKey: keys.forget,
    useTicket: (ticket) => useStreamTicket(db, ticket, { production }),
    limits: createRateLimits({ db, quotas: settings.quotas }),
    onRefused: metrics.refused,
    load,
    hub,
    streams: new OpenStreams({ limits: settings.stream, acceptedKeys, metrics, onFault }),
    workflows: createRunWaker({ connection, namespace: config.TEMPORAL_NAMESPACE }),
    tools,
    checkInput,
    rules: config.rules,
    forecastAnswer: forecastOf(config),
    log,
    context,
    metrics,
    register,
    settings,
    stopping: new AbortController(),
    checks: checksOf(db, connection, config.model_endpoints),
  };
  return {
    deps,
    async close() {
      load.close();
      await keys.close();
      await connection.close();
      await db.close();
    },
  };
}

function watch({
  telemetry,
  db,
  hub,
  checkInput,
}: Pick<Parts, 'telemetry' | 'db'> & Pick<ApiDeps, 'hub' | 'checkInput'>) {
  telemetry.watch({
    pool: db.connections,
    caches: { input_schemas: checkInput.compiled, watched_runs: () => hub.watched() },
    queueAge: () => queueAge(db),
  });
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
    usd_per_day: config.LONGHAUL_USD_PER_DAY ?? null,
    open_runs: config.LONGHAUL_OPEN_RUNS_PER_TENANT,
    temporal_namespace: config.TEMPORAL_NAMESPACE,
    temporal_ui_url: config.LONGHAUL_TEMPORAL_UI_URL,
    stream: { ...STREAM_LIMITS, per_key: config.LONGHAUL_STREAMS_PER_KEY },
  };
}

/** As the workers will ask (workers/brain.ts), so that what is said here is what it may come to. */
function forecastOf({ model_endpoints, LONGHAUL_PRICES }: Config): ApiDeps['forecastAnswer'] {
  if (model_endpoints.length === 0) return () => null;
  const names = model_endpoints.map(({ model }) => model);
  return forecastAnswers({
    prompt: loadPrompts().answer,
    tier: ANSWER_TIER,
    prices: createPricing(loadPrices(LONGHAUL_PRICES), names),
    timeout_s: Math.max(...model_endpoints.map(({ timeout_s }) => timeout_s)),
  });
}

function checksOf(
  db: Database,
  connection: Connection,
  endpoints: Config['model_endpoints'],
): ApiDeps['checks'] {
  const states = createEndpointStates({ db });
  return {
    models: async () => {
      const keys = endpoints.map(({ base_url, model }) => endpointKey(base_url, model));
      const breakers = await states.breakers(keys);
      return Object.fromEntries(endpoints.map(({ name }, index) => [name, breakers.get(keys[index]!)!]));
    },
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
