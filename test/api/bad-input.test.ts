import { SCOPES } from '../../src/contracts/api-key';
import { createApiKey } from '../../src/db/api-keys';
import { openApiOf } from '../../src/api/openapi';
import type { Route } from '../../src/api/route';
import { routesOf } from '../../src/api/routes';
import { startApiServer, type ApiServer } from '../support/api-server';
import { badBodies, badTexts, type Schema } from '../support/bad-values';
import { everything } from '../support/everything';
import { startedRun } from '../support/played-runs';
import { checkProblem, problemIn } from '../support/problem';

// Generated from the OpenAPI document: a new route, or a new field, is in here without a line of test.

let api: ApiServer;
let run_id: string;
/** Of a key that may do everything. */
let headers: { authorization: string };
let routes: Route[];
let paths: Record<string, Record<string, Operation>>;
let schemas: Record<string, Schema>;

interface Operation {
  parameters?: { in: string; name: string; schema: Schema }[];
  requestBody?: { content: { 'application/json': { schema: Schema } } };
}

beforeAll(async () => {
  api = await startApiServer();
  run_id = (await startedRun(api)).id;
  const { secret } = await createApiKey(api.database.db, 'tenant_own', 'all', { scopes: [...SCOPES] });
  headers = { authorization: `Bearer ${secret}` };
  routes = routesOf(api.deps);
  const document = openApiOf(routes, { version: 'test', public_url: 'http://longhaul.test' });
  paths = document.paths as typeof paths;
  schemas = document.components!.schemas as typeof schemas;
});
afterAll(() => api.stop());

const addressOf = ({ path }: Route) => path.replace('{id}', run_id).replace(/\{\w+\}/g, '1');
const nameOf = ({ method, path }: Route) => `${method.toUpperCase()} ${path}`;
const operationOf = ({ method, path }: Route) => paths[path]![method]!;

function send(route: Route, { query = '', body }: { query?: string; body?: unknown }): Promise<Response> {
  const options = {
    method: route.method.toUpperCase(),
    headers,
    ...(body === undefined ? {} : { body }),
  };
  return api.request(`${addressOf(route)}${query}`, options);
}

/** What a reply has to be: refused as invalid, with a pointer to the field or into it. @returns what is wrong with it */
async function complaintsOf(reply: Response, pointer: string): Promise<string | null> {
  const text = await reply.text();
  if (reply.status !== 400) return `${reply.status}: ${text.slice(0, 300)}`;
  const { code } = JSON.parse(text) as { code: 'invalid_request' | 'invalid_cursor' };
  const { errors } = checkProblem(text, reply.headers.get('x-request-id'), code);
  const pointers = errors.map((part) => part.pointer);
  if (pointers.some((at) => at === pointer || at.startsWith(`${pointer}/`))) return null;
  return `points at ${pointers.join(', ')}`;
}

test('every field of every body that is wrong is refused by name, and nothing happens', async () => {
  const before = await everything(api);
  const complaints: string[] = [];
  let count = 0;
  for (const route of routes) {
    const schema = operationOf(route).requestBody?.content['application/json'].schema;
    if (schema === undefined) continue;
    const bodies = badBodies(schema, schemas);
    expect(bodies.length).toBeGreaterThan(10);
    for (const { pointer, what, body } of bodies) {
      count += 1;
      const complaint = await complaintsOf(await send(route, { body }), pointer);
      if (complaint !== null) complaints.push(`${nameOf(route)} ${pointer}, ${what}: ${complaint}`);
    }
  }
  expect(complaints).toEqual([]);
  expect(count).toBeGreaterThan(400);
  expect(await everything(api)).toBe(before);
  expect(({} as { polluted?: true }).polluted).toBeUndefined();
});

test('every body that is no object, or too deep, is refused, and nothing happens', async () => {
  const before = await everything(api);
  for (const route of routes.filter(({ body }) => body !== null)) {
    for (const body of ['null', '7', '"text"', 'true', '{', 'undefined', '[']) {
      await problemIn(await send(route, { body }), 'invalid_json');
    }
    await problemIn(await send(route, { body: '[]' }), 'invalid_request', { pointers: [''] });
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `{"goal":${open.repeat(40)}1${close.repeat(40)}}`;
      await problemIn(await send(route, { body: deep }), 'too_deep');
    }
    const large = JSON.stringify({ goal: 'x'.repeat(1_000_001) });
    await problemIn(await send(route, { body: large }), 'body_too_large');
    const form = await api.request(addressOf(route), {
      method: route.method.toUpperCase(),
      body: 'goal=a',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    });
    await problemIn(form, 'unsupported_media_type');
  }
  expect(await everything(api)).toBe(before);
});

test('every query parameter that is wrong is refused by name', async () => {
  const before = await everything(api);
  const complaints: string[] = [];
  let count = 0;
  for (const route of routes) {
    const params = (operationOf(route).parameters ?? []).filter((param) => param.in === 'query');
    const unknown = ['nothing', '__proto__', 'constructor', 'toString'].map(
      (name) => [name, `${name}=1`] as const,
    );
    const wrong = params.flatMap(({ name, schema }) =>
      badTexts(name, schema).map((text) => [name, text] as const),
    );
    for (const [name, text] of [...unknown, ...wrong]) {
      count += 1;
      const reply = await send(route, { query: `?${text}`, ...(route.body !== null && { body: {} }) });
      // `name[x]=1` is another field, with a pointer of its own.
      const written = decodeURIComponent(text.split('=')[0]!);
      const pointer = written.startsWith(`${name}[`) ? `/query/${written}` : `/query/${name}`;
      const complaint = await complaintsOf(reply, pointer);
      if (complaint !== null) complaints.push(`${nameOf(route)} ?${text}: ${complaint}`);
    }
  }
  expect(complaints).toEqual([]);
  expect(count).toBeGreaterThan(150);
  expect(await everything(api)).toBe(before);
});

test('every id in an address that cannot be one is not found, or badly encoded', async () => {
  const before = await everything(api);
  const ids = [
    '%00',
    '%2e%2e%2f',
    '..%5c',
    '__proto__',
    'constructor',
    'toString',
    'x'.repeat(5_000),
    '%ff',
    '%f0%9f%98%80',
    "'",
    '"',
    '%3Cscript%3E',
    '0',
    '-1',
    '1e3',
    '01',
    '999999999999',
    '%',
    '%7Bid%7D',
    '*',
    'null',
    'run_',
    '%20',
    '%0d%0aset-cookie:a',
  ];
  for (const route of routes.filter(({ path }) => path.includes('{'))) {
    for (const param of route.path.match(/\{\w+\}/g)!) {
      for (const id of ids) {
        const path = addressOf({ ...route, path: route.path.replace(param, id) });
        const options = { method: route.method.toUpperCase(), headers, ...(route.body && { body: {} }) };
        const reply = await api.request(path, options);
        expect([route.path, id, [400, 404].includes(reply.status)]).toEqual([route.path, id, true]);
        const { code } = (await reply.clone().json()) as { code: 'not_found' | 'invalid_request' };
        await problemIn(reply, code);
      }
    }
  }
  expect(await everything(api)).toBe(before);
});
