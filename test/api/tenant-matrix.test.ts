import { routesOf } from '../../src/api/routes';
import { SCOPES } from '../../src/contracts/api-key';
import { createApiKey } from '../../src/db/api-keys';
import type { Records } from '../../src/db/database';
import type { Tx } from '../../src/db/tx';
import { startApiServer, type ApiServer, type RequestOptions } from '../support/api-server';
import { depsWith, outside, plannedRun, start } from '../support/activities';
import { everything } from '../support/everything';
import { COMPLETED } from '../support/runs';
import { eventually } from '../support/eventually';
import { openWs, told } from '../support/stream-readers';

/** Ids that nothing has. */
const UNKNOWN = { run: 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV', key: 'key_01ARZ3NDEKTSV4RRFFQ69G5FAV' };

/** A tool of which nobody hears whether it took effect. */
const UNHEARD = outside('unsafe', 'unheard', () => Promise.reject(new Error('socket hang up')));

/** How a route with ids in its address is asked for something of the own tenant, so that it succeeds. */
interface Fixture {
  /** What `{id}` is: a run unless said otherwise. */
  of?: 'key';
  /** Ids besides the run's: its plan has the version 1 and the step `one`. */
  ids?: Record<string, string>;
  /** The run is still at work. */
  running?: boolean;
  /** The step `one` waits for an answer. */
  asking?: boolean;
  /** Ways to ask, of which only the first may change the run. */
  asks: RequestOptions[];
}

/** By method and address. A route whose ids belong to no tenant says `open`. */
const FIXTURES: Record<string, Fixture | 'open'> = {
  'get /v1/runs/{id}': {
    asks: [
      {},
      { headers: { prefer: 'wait=30' } },
      { headers: { prefer: 'wait=30', 'if-none-match': '"2"' } },
    ],
  },
  'patch /v1/runs/{id}': {
    asks: [{ body: { tags: ['taken'] } }, { body: { tags: ['taken'] }, headers: { 'if-match': '*' } }],
  },
  'delete /v1/runs/{id}': {
    asks: [{}, { headers: { 'if-match': '"1"' } }, { headers: { 'if-match': 'none' } }],
  },
  'post /v1/runs/{id}/cancel': { running: true, asks: [{ body: { reason: 'mine' } }, {}] },
  'post /v1/runs/{id}/restart': {
    asks: [
      { body: { from: 'one' }, headers: { 'idempotency-key': 'mine' } },
      { body: {} },
      { body: { from: 'nowhere' } },
    ],
  },
  'post /v1/runs/{id}/fork': {
    asks: [{ body: { at: 'one', step_input: { expression: '2' } } }, { body: { at: 'start' } }],
  },
  'get /v1/runs/{id}/events': {
    asks: [
      {},
      { headers: { accept: 'text/event-stream' } },
      { headers: { accept: 'text/event-stream', 'last-event-id': '1' } },
      { headers: { accept: 'text/event-stream', 'last-event-id': '9' } },
    ],
  },
  'get /v1/runs/{id}/plans': { asks: [{}] },
  'get /v1/runs/{id}/plans/{version}': { ids: { version: '1' }, asks: [{}] },
  'get /v1/runs/{id}/steps': { asks: [{}] },
  'get /v1/runs/{id}/steps/{step}': { ids: { step: 'one' }, asks: [{}] },
  'post /v1/runs/{id}/steps/{step}/resolve': {
    ids: { step: 'one' },
    running: true,
    asking: true,
    asks: [
      { body: { outcome: 'done', reason: 'I saw it' } },
      { body: { outcome: 'not_done', reason: 'I did not' } },
    ],
  },
  'get /v1/runs/{id}/verdicts': { asks: [{}] },
  'get /v1/api-keys/{id}': { of: 'key', asks: [{}] },
  'delete /v1/api-keys/{id}': { of: 'key', asks: [{}] },
  'post /v1/api-keys/{id}/rotate': { of: 'key', asks: [{ body: { old_expires_in_s: 0 } }] },
  'get /v1/tools/{name}': 'open',
  'get /docs/{file}': 'open',
  'get /errors/{code}': 'open',
};
/** WebSockets for one run; they are no routes of the router. */
const SOCKETS = ['/ws/runs/{id}'];

let api: ApiServer;
/** Secrets of two tenants, with every scope. */
let keys: { own: string; foreign: string };
/** Statements that were asked of the record of a tenant. */
let statements = 0;

beforeAll(async () => {
  api = await startApiServer();
  const secretOf = async (tenant: string) =>
    (await createApiKey(api.database.db, tenant, 'all', { scopes: [...SCOPES] })).secret;
  keys = { own: await secretOf('tenant_own'), foreign: await secretOf('tenant_foreign') };
  const { db } = api.deps;
  const of = db.of.bind(db);
  db.of = (tenant) => counted(of(tenant));
});
afterAll(() => api.stop());

function counted(records: Records): Records {
  const countedTx = (tx: Tx): Tx => ({
    query: (text, values) => {
      // Requests are counted against limits some at a time.
      if (!text.includes('take_from_window')) statements += 1;
      return tx.query(text, values);
    },
  });
  const transaction: Records['transaction'] = (work) =>
    records.transaction((tx) => work({ ...countedTx(tx), last: countedTx(tx.last) }));
  return { ...countedTx(records), transaction };
}

const routes = () => routesOf(api.deps).filter(({ path }) => path.includes('{'));
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

/** A key, or a run, of the own tenant: with a plan, and ended unless it is to be at work. */
async function ownId({ of, running = false, asking = false }: Fixture): Promise<string> {
  if (of === 'key') return (await createApiKey(api.database.db, 'tenant_own', 'mine')).id;
  const deps = depsWith(api.database.db, [UNHEARD]);
  const one = asking ? { tool: 'unheard' } : { tool: 'calculator', input: { expression: '1' } };
  const run_id = await plannedRun(deps, [{ id: 'one', ...one }], { tenant: 'tenant_own' });
  if (asking) await start(deps, run_id, 'one');
  if (!running)
    await api.append(run_id, [COMPLETED], { status: 'completed', finished_at: new Date().toISOString() });
  return run_id;
}

function addressOf(path: string, id: string, { ids = {} }: Fixture): string {
  const all: Record<string, string> = { id, ...ids };
  return path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    if (all[name] === undefined) throw new Error(`The fixture of ${path} lacks {${name}}.`);
    return all[name];
  });
}

/** All that a client can tell from a reply, apart from what names the request itself; and what it cost the record. */
async function seen(path: string, options: RequestOptions, key: string) {
  statements = 0;
  const reply = await api.request(path, {
    ...options,
    headers: { authorization: `Bearer ${key}`, ...options.headers },
  });
  const headers = Object.fromEntries(
    [...reply.headers].filter(
      ([name]) => !['date', 'x-request-id', 'content-length', 'ratelimit'].includes(name),
    ),
  );
  const text = await reply.text();
  const body = text.startsWith('{')
    ? { ...(JSON.parse(text) as object), instance: '', request_id: '' }
    : text;
  return { status: reply.status, headers, body, statements };
}

describe('a key of another tenant', () => {
  test('is tried on every address with an id: those without a fixture are', () => {
    const missing = routes()
      .map(nameOf)
      .filter((name) => !Object.hasOwn(FIXTURES, name));
    // A new route needs a line in FIXTURES: how its own tenant asks for it with success, or `open`.
    expect(missing).toEqual([]);
    const gone = Object.keys(FIXTURES).filter((name) => !routes().map(nameOf).includes(name));
    expect(gone).toEqual([]);
  });

  test.each(Object.entries(FIXTURES).filter((entry): entry is [string, Fixture] => entry[1] !== 'open'))(
    'learns nothing at %s and changes nothing',
    async (name, fixture) => {
      const [method, path] = name.split(' ') as [string, string];
      const run_id = await ownId(fixture);
      const address = addressOf(path, run_id, fixture);
      const unknown = addressOf(path, UNKNOWN[fixture.of ?? 'run'], fixture);
      const before = await everything(api);
      for (const ask of fixture.asks) {
        const options = { ...ask, method: method.toUpperCase() };
        const foreign = await seen(address, options, keys.foreign);
        expect([404, foreign.headers['content-type']]).toEqual([
          foreign.status,
          'application/problem+json; charset=utf-8',
        ]);
        // The same number of statements, so that the time it takes says nothing either.
        expect(foreign).toEqual(await seen(unknown, options, keys.foreign));
        expect(foreign).toEqual(await seen(unknown, options, keys.own));
        expect(foreign.statements).toBeGreaterThan(0);
      }
      expect(await everything(api)).toBe(before);
      expect(api.readers()).toBe(0);
      // The fixture is a good one: its own tenant is served.
      const [first] = fixture.asks;
      const own = await seen(address, { ...first, method: method.toUpperCase() }, keys.own);
      expect(own.status).toBeLessThan(300);
    },
  );

  test.each(SOCKETS)('learns nothing at the WebSocket %s', async (path) => {
    const run_id = await ownId({ asks: [] });
    const before = await everything(api);
    const said = async (id: string, key: string) => {
      statements = 0;
      const reader = await openWs(api, addressOf(path, id, { asks: [] }), { key });
      const closed = await reader.closed();
      return { closed, statements, texts: reader.texts.map((text) => text.replaceAll(id, '')) };
    };
    const foreign = await said(run_id, keys.foreign);
    expect(foreign.closed[0]).toBe(4404);
    expect(foreign).toEqual(await said(UNKNOWN.run, keys.foreign));
    expect(foreign).toEqual(await said(UNKNOWN.run, keys.own));
    expect(await everything(api)).toBe(before);
    expect((await said(run_id, keys.own)).closed[0]).toBe(1000);
  });

  test('learns nothing by subscribing over the WebSocket of many runs', async () => {
    const run_id = await ownId({ asks: [] });
    const before = await everything(api);
    const answer = async (id: string, key: string) => {
      statements = 0;
      const reader = await openWs(api, '/v1/stream', { key });
      await told(reader, 'welcome');
      reader.send({ type: 'subscribe', sub: 'mine', run_id: id });
      const frame = await eventually(() => reader.frames().find(({ sub }) => sub === 'mine'));
      reader.socket.terminate();
      return { ...frame, statements };
    };
    const foreign = await answer(run_id, keys.foreign);
    expect(foreign).toMatchObject({ type: 'error', code: 'not_found' });
    expect(foreign).toEqual(await answer(UNKNOWN.run, keys.foreign));
    expect(foreign).toEqual(await answer(UNKNOWN.run, keys.own));
    expect(await everything(api)).toBe(before);
    expect(await answer(run_id, keys.own)).toMatchObject({ type: 'subscribed' });
  });

  test('learns nothing from cursors', async () => {
    const run_id = await ownId({ asks: [] });
    for (const side of ['after', 'before']) {
      const foreign = await seen(`/v1/runs?${side}=${run_id}`, {}, keys.foreign);
      expect(foreign.status).toBe(400);
      expect(foreign).toEqual(await seen(`/v1/runs?${side}=${UNKNOWN.run}`, {}, keys.foreign));
    }
  });

  test('learns nothing from ids in bodies', async () => {
    const run_id = await ownId({ asks: [] });
    const before = await everything(api);
    const ask = (id: string, key: string) => seen('/v1/stream-tickets', { body: { run_id: id } }, key);
    const foreign = await ask(run_id, keys.foreign);
    expect(foreign.status).toBe(404);
    expect(foreign).toEqual(await ask(UNKNOWN.run, keys.foreign));
    expect(await everything(api)).toBe(before);
    expect((await ask(run_id, keys.own)).status).toBe(201);
  });

  test('learns nothing from addresses that are no ids', async () => {
    const path = '/v1/runs/garbage';
    expect((await seen(path, {}, keys.foreign)).body).toEqual(
      (await seen(`/v1/runs/${UNKNOWN.run}`, {}, keys.foreign)).body,
    );
  });
});
