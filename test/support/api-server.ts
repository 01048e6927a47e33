import type { Socket } from 'node:net';
import { acceptKeys } from '../../src/api/accepted-keys';
import type { ApiDeps, ApiSettings } from '../../src/api/deps';
import { createRateLimits, type Quotas } from '../../src/api/rate-limits';
import { routesOf } from '../../src/api/routes';
import { serve } from '../../src/api/serve';
import { SOCKET_LIMITS } from '../../src/api/socket-limits';
import { STREAM_LIMITS, type StreamLimits } from '../../src/api/stream/limits';
import { OpenStreams } from '../../src/api/stream/open-streams';
import type { Run } from '../../src/contracts/run';
import type { Rules } from '../../src/contracts/rules';
import type { RunRow } from '../../src/db/runs';
import { SCOPES } from '../../src/contracts/api-key';
import { acceptedApiKeys, createApiKey } from '../../src/db/api-keys';
import { openDatabase } from '../../src/db/database';
import { append, type NewEvent, type RunChange } from '../../src/events/append';
import { useStreamTicket } from '../../src/db/stream-tickets';
import { EventHub } from '../../src/events/hub';
import { createInputCheck } from '../../src/planning/input-check';
import { Registry } from 'prom-client';
import { createApiMetrics } from '../../src/telemetry/api-metrics';
import { createLogContext } from '../../src/telemetry/context';
import { createLogger } from '../../src/telemetry/logger';
import { loadTools } from '../../src/tools/load-tools';
import { replyChecker } from './check-reply';
import { createTestDatabase, type TestDatabase } from './database';
import { fakeWorkflows, type FakeWorkflows } from './fakes';

export const RULES: Rules = {
  max_steps: 50,
  max_parallel_steps: 10,
  max_input_bytes: 65_536,
  max_output_bytes: 262_144,
  judge_threshold: 0.7,
  max_replans: 2,
  max_duration_s: 3_600,
};

/** How long `fetch` keeps a connection for its next request, milliseconds: tests that count connections wait for it. */
const IDLE_MS = 5_000;
/** What a test has left open is cut off soon, milliseconds. */
const FINISH_WITHIN_MS = 100;
/** Requests a minute and key: more than any test makes that is not about them. */
const QUOTAS: Quotas = { submits: 1_000_000, writes: 1_000_000, reads: 1_000_000, streams: 1_000_000 };

export interface ApiServerOptions {
  settings?: Partial<Omit<ApiSettings, 'quotas' | 'stream'>> & {
    quotas?: Partial<Quotas>;
    stream?: Partial<StreamLimits>;
  };
  /** Runs on the database of another server, which must outlive it. */
  database?: TestDatabase;
  /** Development keys are refused. */
  production?: boolean;
  /** How long it serves on when it is stopped, milliseconds. */
  drain_ms?: number;
  /** What is left open gets this long then, milliseconds. */
  finish_within_ms?: number;
  /** Hears every line of the log; nobody does when absent. */
  log?: (line: string) => void;
  /** How the server reaches Postgres, from how the test does. */
  viaUrl?: (url: string) => string;
}

/** The API on a port of its own, over a real database; workers are played by `append`. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly database: TestDatabase;
  readonly workflows: FakeWorkflows;
  /** Secrets of two tenants, with every scope. */
  readonly keys: { own: string; foreign: string };
  readonly deps: ApiDeps;
  /** A request with the own key and a JSON body, unless told otherwise; `null` takes a header away. */
  request(path: string, init?: RequestOptions): Promise<Response>;
  submit(body?: object, headers?: Record<string, string>): Promise<Run>;
  get(run_id: string): Promise<Run>;
  /** The runs that were taken, in their order, as the worker finds them that is to start them. */
  taken(): Promise<TakenRun[]>;
  append(run_id: string, events: NewEvent[], change?: RunChange): Promise<number>;
  /** Bytes that wait in the server for clients to read, over all connections. */
  unsentBytes(): number;
  /** Open connections of clients. */
  connections(): number;
  /** The server's ends of them. */
  sockets(): ReadonlySet<Socket>;
  /** Streams that follow a run in the hub. */
  readers(): number;
  stop(): Promise<void>;
}

/** What a worker starts a run with. */
export type TakenRun = Pick<RunRow, 'id' | 'tenant' | 'goal' | 'origin' | 'request_id' | 'trace_id'>;

export interface RequestOptions {
  method?: string;
  /** Text and bytes go as they are, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string | null>;
  signal?: AbortSignal;
}

export async function startApiServer({
  settings,
  production = true,
  drain_ms = 0,
  finish_within_ms = FINISH_WITHIN_MS,
  log,
  viaUrl,
  database: given,
}: ApiServerOptions = {}): Promise<ApiServer> {
  const database = given ?? (await createTestDatabase());
  const server_url = viaUrl?.(database.url) ?? database.url;
  const db = openDatabase({ url: server_url, pool: 10, name: 'api under test' });
  const hub = new EventHub({ url: server_url, db, onFault: () => undefined });
  const own = await createApiKey(database.db, 'tenant_own', 'own', { scopes: SCOPES });
  const foreign = await createApiKey(database.db, 'tenant_foreign', 'foreign', { scopes: SCOPES });
  const workflows = fakeWorkflows();
  const keys = acceptKeys(db, { production, onFault: () => undefined });
  const quotas = { ...QUOTAS, ...settings?.quotas };
  const context = createLogContext();
  const logger = createLogger({
    level: log === undefined ? 'silent' : 'trace',
    name: 'api under test',
    format: 'json',
    context,
    ...(log && { to: { write: log } }),
  });
  const register = new Registry();
  const metrics = createApiMetrics(register);
  const deps: ApiDeps = {
    db,
    findKey: keys.find,
    forgetKey: keys.forget,
    useTicket: (ticket) => useStreamTicket(db, ticket, { production }),
    limits: createRateLimits({ db, quotas }),
    onRefused: metrics.refused,
    load: { overloaded: () => false },
    hub,
    streams: new OpenStreams({
      limits: { ...STREAM_LIMITS, ...settings?.stream },
      acceptedKeys: (ids) => acceptedApiKeys(db, ids, { production }),
      metrics,
      onFault: () => undefined,
    }),
    workflows,
    tools: loadTools([]),
    checkInput: createInputCheck(),
    rules: RULES,
    forecastAnswer: () => null,
    log: logger,
    context,
    metrics,
    register,
    settings: {
      version: '0.0.0-test',
      public_url: 'http://longhaul.test',
      trust_proxy: false,
      allowed_origins: [],
      sockets: { ...SOCKET_LIMITS, idle_ms: IDLE_MS },
      body_limit: 1_000_000,
      temporal_namespace: 'default',
      temporal_ui_url: 'http://temporal.test',
      usd_per_day: null,
      open_runs: 1_000_000,
      ...settings,
      stream: { ...STREAM_LIMITS, ...settings?.stream },
      quotas,
    },
    stopping: new AbortController(),
    checks: {
      models: () => Promise.resolve({}),
      postgres: async () => void (await db.query('select 1')),
      temporal: async () => {
        if (workflows.away) throw new Error('Temporal is away.');
      },
    },
  };

  const served = await serve(deps, {
    host: '127.0.0.1',
    port: 0,
    drain_ms,
    finish_within_ms,
  });
  const { port } = served.address;
  const url = `http://127.0.0.1:${port}`;
  const check = replyChecker(routesOf(deps));
  const request = async (path: string, options: RequestOptions = {}) => {
    const { body, method = body === undefined ? 'GET' : 'POST', headers = {}, signal } = options;
    const reply = await fetch(`${url}${path}`, {
      method,
      headers: headersOf(own.secret, body, headers),
      ...(body === undefined ? {} : { body: bodyOf(body) }),
      ...(signal && { signal }),
    });
    await check(method, path, reply);
    return reply;
  };
  return {
    url,
    port,
    database,
    workflows,
    keys: { own: own.secret, foreign: foreign.secret },
    deps,
    request,
    async submit(body = { goal: '2 + 2' }, headers = {}) {
      const reply = await request('/v1/runs', { body, headers });
      if (reply.status !== 202) throw new Error(`${reply.status}: ${await reply.text()}`);
      return (await reply.json()) as Run;
    },
    get: async (run_id) => (await (await request(`/v1/runs/${run_id}`)).json()) as Run,
    taken: () =>
      database.db.query<TakenRun>(
        'select id, tenant, goal, origin, request_id, trace_id from runs order by created_at, id',
      ),
    async append(run_id, events, change = {}) {
      const { last_seq } = await database.db.transaction((tx) =>
        append(tx, run_id, { attempt: 1, events, change }),
      );
      return last_seq;
    },
    unsentBytes: () => [...served.connections].reduce((sum, { writableLength }) => sum + writableLength, 0),
    connections: () => served.connections.size,
    sockets: () => served.connections,
    // Every reader leaves its topic however it ends: what is left over here is a leak.
    readers: () => hub.readers,
    async stop() {
      await served.close();
      await keys.close();
      await db.close();
      if (given === undefined) await database.drop();
    },
  };
}

function headersOf(key: string, body: unknown, more: Record<string, string | null>): [string, string][] {
  const usual = {
    authorization: `Bearer ${key}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  return Object.entries({ ...usual, ...more }).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
}

function bodyOf(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (typeof body === 'string') return body;
  return body instanceof Uint8Array ? Uint8Array.from(body) : JSON.stringify(body);
}
