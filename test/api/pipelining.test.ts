import { connect, type Socket } from 'node:net';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { LogLines } from '../support/log-lines';
import { complete, startedRun } from '../support/played-runs';
import { exchange, received } from '../support/raw-http';

const logs = new LogLines();
let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer({
    log: (text) => logs.write(text),
    settings: { stream: { heartbeat_ms: 100, per_key: 2 } },
  });
});
afterAll(() => api.stop());

interface Ask {
  method?: string;
  path: string;
  lines?: string[];
  body?: string;
}
const ask = ({ method = 'GET', path, lines = [], body = '' }: Ask) =>
  [`${method} ${path} HTTP/1.1`, 'Host: a', `X-API-Key: ${api.keys.own}`, ...lines, '', body].join('\r\n');
const stream = (id: string, lines: string[] = []) =>
  ask({ path: `/v1/runs/${id}/events`, lines: ['Accept: text/event-stream', ...lines] });
const wait = (id: string) => ask({ path: `/v1/runs/${id}`, lines: ['Prefer: wait=60'] });

/** Sends requests without waiting for replies, and reads what comes. */
function send(...requests: string[]): { socket: Socket; text: () => string; whole: Promise<string> } {
  const socket = connect(api.port, '127.0.0.1');
  let text = '';
  socket.on('data', (part: Buffer) => (text += part.toString()));
  socket.write(requests.join(''));
  return { socket, text: () => text, whole: received(socket) };
}
const left = () =>
  eventually(() => api.readers() === 0 && api.deps.streams.size === 0, { what: 'all to have left' });
const lineOf = (request_id: string) =>
  eventually(() => logs.having({ request_id }).find(({ method }) => method !== undefined));

describe('Requests that a client sends without waiting for replies', () => {
  test('are begun one after another: a stream behind a stream is not, and nothing is left when the client is gone', async () => {
    const { id } = await startedRun(api);
    for (const round of [1, 2, 3]) {
      const { socket, text } = send(
        stream(id, [`X-Request-Id: front-${round}`]),
        ...Array<string>(5).fill(stream(id)),
      );
      await eventually(() => text().includes(': heartbeat'));
      expect([api.deps.streams.size, api.readers()]).toEqual([1, 1]);
      socket.destroy();
      await left();
      expect(await lineOf(`front-${round}`)).toMatchObject({ status: 200, aborted: true });
    }
    expect(await (await api.request('/metrics')).text()).toContain('stream_readers{wire="sse"} 0');
    await complete(api, id);
  });

  test('are served in their order, the streams among them to their ends', async () => {
    const { id } = await startedRun(api);
    await complete(api, id);
    const { whole } = send(stream(id), stream(id), ask({ path: '/healthz', lines: ['Connection: close'] }));
    const text = await whole;
    expect(text.match(/event: stream\.end/g)).toHaveLength(2);
    expect(text.lastIndexOf('stream.end')).toBeLessThan(text.indexOf('"status":"ok"'));
  });

  test('see what those before them have done', async () => {
    const body = '{"goal":"1 + 1"}';
    const submit = ask({
      method: 'POST',
      path: '/v1/runs',
      lines: ['Content-Type: application/json', `Content-Length: ${body.length}`],
      body,
    });
    const list = ask({ path: '/v1/runs?limit=1', lines: ['Connection: close'] });
    const [taken, listed] = await exchange(api.port, submit + list);
    const run = JSON.parse(taken!.body) as { id: string };
    expect((JSON.parse(listed!.body) as { data: { id: string }[] }).data).toMatchObject([{ id: run.id }]);
  });

  test('behind one that waits are not begun, and it does not wait on when the client is gone', async () => {
    const { id } = await startedRun(api);
    const { socket } = send(wait(id), wait(id), wait(id));
    await eventually(() => api.readers() === 1, { what: 'the first to wait' });
    socket.destroy();
    await left();
    await complete(api, id);
  });

  test('have lines of their own in the log', async () => {
    const [, reply] = await exchange(
      api.port,
      ask({ path: '/v1/tools', lines: ['X-Request-Id: with-key'] }) +
        'GET /v1/tools HTTP/1.1\r\nHost: a\r\nX-Request-Id: without-key\r\nConnection: close\r\n\r\n',
    );
    expect(reply!.status).toBe(401);
    expect(await lineOf('with-key')).toMatchObject({ tenant: 'tenant_own', status: 200 });
    const line = await lineOf('without-key');
    expect(line).toMatchObject({ status: 401 });
    expect(line).not.toHaveProperty('tenant');
  });

  test('are cut off when too many wait', async () => {
    const { id } = await startedRun(api);
    const { socket, text, whole } = send(stream(id));
    await eventually(() => text().includes('run.status'));
    socket.write(ask({ path: '/healthz' }).repeat(101));
    expect(await whole).not.toContain('"status":"ok"');
    await left();
    await complete(api, id);
  });
});

describe('In the middle of a reply nothing else is answered:', () => {
  test.each([
    ['bytes that are no request', 'nonsense\r\n\r\n'],
    [
      'a WebSocket',
      'GET /v1/stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    ],
    ['another protocol', 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'],
  ])('%s', async (_what, bytes) => {
    const { id } = await startedRun(api);
    const { socket, text, whole } = send(stream(id), ask({ path: '/healthz' }));
    await eventually(() => text().includes('run.status'));
    socket.write(bytes);
    expect((await whole).match(/HTTP\/1\.1 /g)).toHaveLength(1);
    await left();
    await complete(api, id);
  });

  test('a body that does not come in time', async () => {
    const small = await startApiServer({
      settings: {
        sockets: {
          ...api.deps.settings.sockets,
          request_within_ms: 300,
          headers_within_ms: 300,
          check_every_ms: 50,
        },
      },
    });
    try {
      const { id } = await startedRun(small);
      const head = [`Host: a`, `X-API-Key: ${small.keys.own}`];
      const socket = connect(small.port, '127.0.0.1');
      socket.write(
        [`GET /v1/runs/${id}/events HTTP/1.1`, ...head, 'Accept: text/event-stream', '', ''].join('\r\n') +
          ['POST /v1/runs HTTP/1.1', ...head, 'Content-Length: 10', '', ''].join('\r\n'),
      );
      const text = await received(socket);
      expect(text).toContain('run.status');
      expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    } finally {
      await small.stop();
    }
  });
});
