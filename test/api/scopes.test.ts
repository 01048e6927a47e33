import { SCOPES, type Scope } from '../../src/contracts/api-key';
import type { Route } from '../../src/api/route';
import { routesOf } from '../../src/api/routes';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';
import { openWs } from '../support/stream-readers';

let api: ApiServer;
let run_id: string;
/** A key for each scope that has all others, and one that has the scope alone. */
const without = new Map<Scope, string>();
const only = new Map<Scope, string>();
beforeAll(async () => {
  api = await startApiServer();
  run_id = (await api.submit()).id;
  const { db } = api.database;
  for (const scope of SCOPES) {
    const scopes = SCOPES.filter((other) => other !== scope);
    without.set(scope, (await createApiKey(db, 'tenant_own', `without ${scope}`, { scopes })).secret);
    only.set(scope, (await createApiKey(db, 'tenant_own', `only ${scope}`, { scopes: [scope] })).secret);
  }
});
afterAll(() => api.stop());

const UNKNOWN: Record<string, string> = {
  runs: 'run_00000000000000000000000000',
  'api-keys': 'key_00000000000000000000000000',
};

/** Asks a route of an object that is there, or of one that is not. */
async function ask({ method, path }: Route, secret: string, id: string): Promise<Response> {
  return api.request(path.replace(/\{\w+\}/, id).replace(/\{\w+\}/g, 'x'), {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${secret}` },
  });
}

async function existing(path: string): Promise<string> {
  if (!path.startsWith('/v1/api-keys')) return run_id;
  return (await createApiKey(api.database.db, 'tenant_own', 'there')).id;
}

test('every route that wants a scope refuses a key without it, in the same words whatever is there', async () => {
  const scoped = routesOf(api.deps).filter(({ scope }) => scope !== null);
  expect(scoped.length).toBeGreaterThan(8);
  const before = await api.database.owner.query('select count(*) from events');
  for (const route of scoped) {
    const kind = route.path.split('/')[2]!;
    const ids = [await existing(route.path), UNKNOWN[kind] ?? 'x', 'nonsense', '%00'];
    const said = [];
    for (const id of ids) {
      const reply = await ask(route, without.get(route.scope!)!, id);
      const { detail, code } = await problemIn(reply, 'forbidden');
      expect(detail).toContain(route.scope!);
      said.push(JSON.stringify({ detail, code }));
    }
    expect([route.operation, new Set(said).size]).toEqual([route.operation, 1]);
  }
  expect(await api.database.owner.query('select count(*) from events')).toEqual(before);
});

test('every route lets a key through that has its scope alone', async () => {
  for (const route of routesOf(api.deps)) {
    if (route.scope === null) continue;
    const reply = await ask(route, only.get(route.scope)!, await existing(route.path));
    await reply.body?.cancel();
    expect([route.operation, [401, 403].includes(reply.status)]).toEqual([route.operation, false]);
  }
});

test('a route without a scope asks for no key', async () => {
  for (const route of routesOf(api.deps).filter(({ scope }) => scope === null)) {
    const reply = await api.request(route.path.replace(/\{\w+\}/g, 'x'), {
      headers: { authorization: null },
    });
    await reply.body?.cancel();
    // Where there is no such thing as `x` it is not found, without a word of a key.
    expect([route.operation, reply.status]).toEqual([route.operation, route.path.includes('{') ? 404 : 200]);
  }
});

test('a WebSocket wants a key that may read runs', async () => {
  for (const id of [run_id, UNKNOWN.runs!]) {
    const { closed } = await openWs(api, `/ws/runs/${id}`, { key: without.get('runs:read')! });
    expect(await closed()).toEqual([4403, 'forbidden']);
  }
});
