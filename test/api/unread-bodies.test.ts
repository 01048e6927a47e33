import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { checkProblem } from '../support/problem';
import { exchange, received, repliesIn } from '../support/raw-http';

const HUGE = 100_000_000;
/** What of a body may have been taken before its request was answered, bytes: the buffers on the way. */
const TAKEN = 1_000_000;

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const head = (lines: string[], path = '/v1/runs', method = 'POST') =>
  `${[`${method} ${path} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', ...lines].join('\r\n')}\r\n\r\n`;
const bearer = () => `Authorization: Bearer ${api.keys.own}`;

/** Sends a head, then a body without end for as long as the server takes it. */
async function flood(start: string): Promise<{ text: string; taken: number }> {
  const known = new Set(api.sockets());
  const client = connect(api.port, '127.0.0.1');
  const part = Buffer.alloc(65_536, 'x');
  let over = false;
  const pour = () => {
    while (!over && client.writable && client.write(part));
  };
  client.on('drain', pour).on('close', () => (over = true));
  const text = received(client);
  client.write(start);
  const server = await eventually(() => [...api.sockets()].find((socket) => !known.has(socket)));
  pour();
  const reply = await text;
  over = true;
  const taken = server.bytesRead;
  client.destroy();
  return { text: reply, taken };
}

describe('A body that is not wanted is not read, and its connection is closed:', () => {
  test.each<[string, () => string, Parameters<typeof checkProblem>[2]]>([
    ['without a key', () => head([`Content-Length: ${HUGE}`]), 'unauthorized'],
    ['without a key, of unknown length', () => head(['Transfer-Encoding: chunked']), 'unauthorized'],
    [
      'with a wrong key',
      () => head([`Content-Length: ${HUGE}`, `X-API-Key: lh_${'A'.repeat(43)}`]),
      'unauthorized',
    ],
    ['at no address', () => head([`Content-Length: ${HUGE}`, bearer()], '/nowhere'), 'not_found'],
    [
      'with a method that is not served',
      () => head([`Content-Length: ${HUGE}`, bearer()], '/v1/runs', 'PUT'),
      'method_not_allowed',
    ],
    [
      'with a strange query',
      () => head([`Content-Length: ${HUGE}`, bearer()], '/v1/runs?x=1'),
      'invalid_request',
    ],
    [
      'that nobody accepts',
      () => head([`Content-Length: ${HUGE}`, bearer(), 'Accept: text/html']),
      'not_acceptable',
    ],
    [
      'of another type',
      () => head([`Content-Length: ${HUGE}`, bearer()]).replace('application/json', 'text/plain'),
      'unsupported_media_type',
    ],
    ['that is too large', () => head([`Content-Length: ${HUGE}`, bearer()]), 'body_too_large'],
    [
      'where none is taken',
      () => head([`Content-Length: ${HUGE}`, bearer()], '/healthz', 'GET'),
      'invalid_request',
    ],
    [
      'with a key in its address',
      () => head([`Content-Length: ${HUGE}`], '/v1/runs?token=a'),
      'secret_in_url',
    ],
  ])('%s', async (_what, start, code) => {
    const { text, taken } = await flood(start());
    const [reply, ...more] = repliesIn(text);
    expect(more).toEqual([]);
    expect(reply!.headers.connection).toBe('close');
    checkProblem(reply!.body, reply!.headers['x-request-id']!, code);
    expect(taken).toBeLessThan(TAKEN);
  });

  test('a slow one without a key is answered before it has come', async () => {
    const client = connect(api.port, '127.0.0.1');
    client.write(head(['Content-Length: 1000']) + '{');
    const [reply] = repliesIn(await received(client));
    checkProblem(reply!.body, reply!.headers['x-request-id']!, 'unauthorized');
    client.destroy();
  });

  test('what comes after it is not taken for a request', async () => {
    const { db } = api.database;
    const count = async () => (await db.query('select 1 from runs')).length;
    const before = await count();
    const smuggled = `${head([bearer(), 'Content-Length: 16'])}{"goal":"2 + 2"}`;
    const client = connect(api.port, '127.0.0.1');
    client.write(head([`Content-Length: ${smuggled.length + 1}`]));
    const [bytes] = (await once(client, 'data')) as [Buffer];
    client.write(`x${smuggled}`);
    await received(client);
    expect(repliesIn(String(bytes)).map(({ status }) => status)).toEqual([401]);
    client.destroy();
    await eventually(() => api.connections() === 0, { what: 'the connection to be closed' });
    expect(await count()).toBe(before);
  });
});

describe('What is wrong with a request is looked at in this order:', () => {
  const faults: [
    code: Parameters<typeof checkProblem>[2],
    fault: () => Partial<Record<'key' | 'type' | 'length', string>>,
  ][] = [
    ['unauthorized', () => ({ key: 'lh_wrong' })],
    ['forbidden', () => ({ key: reader })],
    ['unsupported_media_type', () => ({ type: 'text/plain' })],
    ['body_too_large', () => ({ length: String(HUGE) })],
  ];
  let reader: string;
  beforeAll(async () => {
    const { id, secret } = await createApiKey(api.database.db, 'tenant_own', 'reader');
    await api.database.db.query(`update api_keys set scopes = '{runs:read}' where id = $1`, [id]);
    reader = secret;
  });

  test.each(faults.map(([code], from) => [code, from] as const))('%s', async (code, from) => {
    const wrong = Object.assign(
      {},
      ...faults
        .slice(from)
        .map(([, fault]) => fault())
        .reverse(),
    ) as Record<string, string>;
    const deep = '['.repeat(40);
    const { key = api.keys.own, type = 'application/json', length = String(deep.length) } = wrong;
    const lines = [`Content-Length: ${length}`, `X-API-Key: ${key}`];
    const [reply] = await exchange(api.port, head(lines).replace('application/json', type) + deep);
    checkProblem(reply!.body, reply!.headers['x-request-id']!, code);
  });

  test('too_deep, before it is parsed', async () => {
    const deep = '['.repeat(40);
    const lines = [`Content-Length: ${deep.length}`, bearer(), 'Connection: close'];
    const [reply] = await exchange(api.port, head(lines) + deep);
    checkProblem(reply!.body, reply!.headers['x-request-id']!, 'too_deep');
  });
});

describe('A client that asks before it sends its body', () => {
  const ask = async (lines: string[]): Promise<[Socket, string]> => {
    const client = connect(api.port, '127.0.0.1');
    client.write(head(['Expect: 100-continue', 'Content-Length: 16', 'Connection: close', ...lines]));
    const [bytes] = (await once(client, 'data')) as [Buffer];
    return [client, String(bytes)];
  };

  test('is told to go on when the body is wanted', async () => {
    const [client, first] = await ask([bearer()]);
    expect(first).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    client.write('{"goal":"2 + 2"}');
    expect(repliesIn(await received(client)).map(({ status }) => status)).toEqual([202]);
  });

  test('is refused without it', async () => {
    const [client, first] = await ask([]);
    expect(first).toMatch(/^HTTP\/1.1 401 /);
    client.destroy();
  });
});

test('A connection is kept when its request had come whole', async () => {
  const body = '{"goal":""}';
  const bad = head([`Content-Length: ${body.length}`, bearer()]) + body;
  const last = head([bearer(), 'Connection: close'], '/healthz', 'GET');
  expect((await exchange(api.port, bad + last)).map(({ status }) => status)).toEqual([400, 200]);
});
