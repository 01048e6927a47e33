import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createApp } from '../../src/api/app';
import type { ApiDeps, ApiSettings } from '../../src/api/deps';
import { refuseBadBytes } from '../../src/api/raw-problem';
import { STREAM_LIMITS } from '../../src/api/stream/limits';
import { attachWebSocket } from '../../src/api/stream/websocket';
import type { Run } from '../../src/contracts/run';
import type { Rules } from '../../src/contracts/rules';
import { createApiKey, findApiKey } from '../../src/db/api-keys';
import { openDatabase } from '../../src/db/database';
import { append, type NewEvent, type RunChange } from '../../src/events/append';
import { EventHub } from '../../src/events/hub';
import { createInputCheck } from '../../src/planning/input-check';
import { Registry } from 'prom-client';
import { createApiMetrics } from '../../src/telemetry/api-metrics';
import { createLogContext } from '../../src/telemetry/context';
import { createLogger } from '../../src/telemetry/logger';
import { loadTools } from '../../src/tools/load-tools';
import { createTestDatabase, type TestDatabase } from './database';
import type { LogLines } from './log-lines';
import { recordWorkflows, type RecordedWorkflows } from './recorded-workflows';

export const RULES: Rules = {
  max_steps: 50,
  max_parallel_steps: 10,
  max_input_bytes: 65_536,
  max_output_bytes: 262_144,
  judge_threshold: 0.7,
  max_replans: 2,
  max_duration_s: 3_600,
};

export interface ApiServerOptions {
  settings?: Partial<ApiSettings>;
  /** Development keys are refused. */
  production?: boolean;
  /** Takes what the server writes to its log. */
  logs?: LogLines;
  /** How the server reaches Postgres, from how the test does. */
  viaUrl?: (url: string) => string;
}

/** The API on a port of its own, over a real database; workers are played by `append`. */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly database: TestDatabase;
  readonly workflows: RecordedWorkflows;
  /** Secrets of two tenants. */
  readonly keys: { own: string; foreign: string };
  readonly deps: ApiDeps;
  /** A request with the own key and a JSON body, unless told otherwise; `null` takes a header away. */
  request(path: string, init?: RequestOptions): Promise<Response>;
  submit(body?: object, headers?: Record<string, string>): Promise<Run>;
  get(run_id: string): Promise<Run>;
  append(run_id: string, events: NewEvent[], change?: RunChange): Promise<number>;
  /** Bytes that wait in the server for clients to read, over all connections. */
  unsentBytes(): number;
  /** Open connections of clients. */
  connections(): number;
  /** Streams that follow a run in the hub. */
  readers(): number;
  stop(): Promise<void>;
}

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
  logs,
  viaUrl,
}: ApiServerOptions = {}): Promise<ApiServer> {
  const database = await createTestDatabase();
  const server_url = viaUrl?.(database.url) ?? database.url;
  const db = openDatabase({ url: server_url, pool: 10, name: 'api under test' });
  const hub = new EventHub({ url: server_url, db, onFault: () => undefined });
  // Every reader leaves its topic however it ends: what is left over here is a leak.
  let readers = 0;
  const follow = hub.follow.bind(hub);
  hub.follow = async function* (...args) {
    readers += 1;
    try {
      yield* follow(...args);
    } finally {
      readers -= 1;
    }
  };
  const own = await createApiKey(database.db, 'tenant_own', 'own');
  const foreign = await createApiKey(database.db, 'tenant_foreign', 'foreign');
  const workflows = recordWorkflows();
  const context = createLogContext();
  const level = logs === undefined ? 'silent' : 'debug';
  const log = createLogger({
    level,
    name: 'api under test',
    format: 'json',
    context,
    ...(logs && { to: logs }),
  });
  const register = new Registry();
  const deps: ApiDeps = {
    db,
    findKey: (secret) => findApiKey(db, secret, { production }),
    hub,
    workflows,
    tools: loadTools([]),
    checkInput: createInputCheck(),
    rules: RULES,
    log,
    context,
    metrics: createApiMetrics(register),
    register,
    settings: {
      public_url: 'http://longhaul.test',
      body_limit: 1_000_000,
      temporal_namespace: 'default',
      temporal_ui_url: 'http://temporal.test',
      stream: STREAM_LIMITS,
      ...settings,
    },
    checks: {
      postgres: async () => void (await db.query('select 1')),
      temporal: async () => {
        if (workflows.away) throw new Error('Temporal is away.');
      },
    },
  };

  const server = createServer(createApp(deps));
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  refuseBadBytes(server, deps.settings);
  const sockets = attachWebSocket(server, deps);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const request = (path: string, { method, body, headers = {}, signal }: RequestOptions = {}) =>
    fetch(`${url}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: headersOf(own.secret, body, headers),
      ...(body === undefined ? {} : { body: bodyOf(body) }),
      ...(signal && { signal }),
    });
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
    async append(run_id, events, change = {}) {
      const { last_seq } = await database.db.transaction((tx) =>
        append(tx, run_id, { attempt: 1, events, change }),
      );
      return last_seq;
    },
    unsentBytes: () => [...open].reduce((sum, { writableLength }) => sum + writableLength, 0),
    connections: () => open.size,
    readers: () => readers,
    async stop() {
      await sockets.close();
      await hub.close();
      server.close();
      server.closeAllConnections();
      for (const socket of open) socket.destroy();
      await db.close();
      await database.drop();
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
