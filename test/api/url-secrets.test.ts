import { once } from 'node:events';
import { WebSocket } from 'ws';
import { FAILURES } from '../../src/contracts/failure';
import { startApiServer, type ApiServer } from '../support/api-server';
import { checkProblem, problemIn } from '../support/problem';
import { exchange } from '../support/raw-http';

let api: ApiServer;
let run_id: string;
const lines: string[] = [];
beforeAll(async () => {
  api = await startApiServer({ log: (line) => void lines.push(line) });
  run_id = (await api.submit()).id;
});
afterAll(() => api.stop());

const FOREIGN_KEY = 'sk-proj-1234567890';
/** Neither a key of ours nor that of another service is in a text, however it is written there. */
const secretFree = (text: string, key: string) => {
  const plain = text.replace(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(parseInt(code.slice(1), 16)));
  for (const form of [text, plain]) {
    expect(form).not.toContain(key);
    expect(form).not.toContain(FOREIGN_KEY);
  }
};
const encoded = (text: string) =>
  [...text].map((char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');

describe('A secret in an address', () => {
  test.each<[string, (key: string) => string]>([
    ['api_key', (key) => `/v1/runs?api_key=${key}`],
    ['of another service', () => `/v1/runs?api_key=${FOREIGN_KEY}`],
    ['without a value', () => '/v1/runs?api_key'],
    ['apikey', () => '/v1/runs?apikey=a'],
    ['key', () => '/v1/runs?limit=1&key=a'],
    ['token', () => '/v1/runs?token=a'],
    ['access_token', () => '/v1/runs?access_token=a'],
    ['authorization', () => '/v1/runs?authorization=Bearer%20a'],
    ['in capitals', () => '/v1/runs?API_Key=a'],
    ['with an encoded name', () => '/v1/runs?%61pi_key=a'],
    ['as a list', () => '/v1/runs?token[]=a&token[0]=b'],
    ['under any name', (key) => `/v1/runs?after=${key}`],
    ['as a name', (key) => `/v1/runs?${key}`],
    ['within a value', (key) => `/v1/runs?q=Bearer+${key}`],
    ['encoded', (key) => `/v1/runs?x=${encoded(key)}`],
    ['of a route without a key', () => '/healthz?token=a'],
    ['of no route', () => '/nowhere?token=a'],
    ['as an id', (key) => `/v1/runs/${key}`],
    ['as an encoded id', (key) => `/v1/runs/${encoded(key)}/events`],
    ['in an absolute address', (key) => `http://a/v1/runs?x=${key}`],
  ])('is refused, said to nobody and not looked at: %s', async (_what, path) => {
    lines.length = 0;
    const key = api.keys.own;
    const bytes = `GET ${path(key)} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key}\r\n\r\n`;
    const [reply] = await exchange(api.port, bytes);
    expect(reply!.status).toBe(400);
    const problem = checkProblem(reply!.body, reply!.headers['x-request-id']!, 'secret_in_url');
    expect(problem.hint).toMatch(/revoke/);
    for (const text of [JSON.stringify(reply), lines.join('')]) secretFree(text, key);
    expect(lines.join('')).toContain('secret_in_url');
    expect(problem.instance).not.toContain('?');
  });

  test('is none where the random text of a ticket looks like one', async () => {
    const ticket = `lht_${'a'.repeat(10)}lh_${'b'.repeat(30)}`;
    const headers = { authorization: null, accept: 'text/event-stream' };
    const reply = await api.request(`/v1/runs/${run_id}/events?ticket=${ticket}`, { headers });
    await problemIn(reply, 'unauthorized'); // nobody made it
  });

  test('is refused for a stream and for a body too', async () => {
    const headers = { accept: 'text/event-stream' };
    await problemIn(await api.request(`/v1/runs/${run_id}/events?token=a`, { headers }), 'secret_in_url');
    const before = await api.database.db.query('select 1 from runs');
    await problemIn(await api.request('/v1/runs?token=a', { body: { goal: 'a' } }), 'secret_in_url');
    expect(await api.database.db.query('select 1 from runs')).toHaveLength(before.length);
  });

  test.each([
    (key: string) => `/ws/runs/${run_id}?token=${key}`,
    (key: string) => `/ws/runs/${run_id}?after=${key}`,
    (key: string) => `/ws/runs/${key}`,
    (key: string) => `/ws/runs/${encoded(key)}`,
  ])('is refused for a WebSocket (%#)', async (path) => {
    lines.length = 0;
    const key = api.keys.own;
    const socket = new WebSocket(`ws://127.0.0.1:${api.port}${path(key)}`);
    const [req, reply] = (await once(socket, 'unexpected-response')) as [
      { destroy(): void },
      NodeJS.ReadableStream & { statusCode: number },
    ];
    let text = '';
    for await (const part of reply) text += String(part);
    req.destroy();
    expect({ status: reply.statusCode, code: (JSON.parse(text) as { code: string }).code }).toEqual({
      status: FAILURES.secret_in_url.status,
      code: 'secret_in_url',
    });
    secretFree(text + lines.join(''), key);
  });

  test.each(['?ticket=abc', '?after=0', '?monkey=1', '?keys=1', '?after=lh_short'])(
    'is none: %s',
    async (query) => {
      const { code } = (await (await api.request(`/v1/runs/${run_id}/events${query}`)).json()) as {
        code?: string;
      };
      expect(code).not.toBe('secret_in_url');
    },
  );
});
