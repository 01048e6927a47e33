import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { SOCKET_LIMITS } from '../../src/api/socket-limits';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { checkProblem } from '../support/problem';
import { received, repliesIn } from '../support/raw-http';

/** Pause between two bytes of a slow client, milliseconds. */
const BYTE_EVERY_MS = 1_000;
/** Time in which all of them must be open, though each is cut after it, milliseconds. */
const HEADERS_WITHIN_MS = 6_000;

const started: ApiServer[] = [];
const start = async (...[options]: Parameters<typeof startApiServer>) => {
  const server = await startApiServer(options);
  started.push(server);
  return server;
};
afterEach(() => Promise.all(started.splice(0).map((server) => server.stop())));

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined); // what is dropped may be reset
  await once(socket, 'connect');
  return socket;
}

test('1,000 sockets that send their headers at a byte a second keep nobody from being served, and are cut', async () => {
  const sockets = {
    ...SOCKET_LIMITS,
    headers_within_ms: HEADERS_WITHIN_MS,
    request_within_ms: 600_000, // it is not this one that cuts them
    check_every_ms: 100,
  };
  const api = await start({ settings: { sockets } });
  const slow = await Promise.all(Array.from({ length: 1_000 }, () => opened(api.port)));
  const text = 'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Pad: and so on for ever';
  let at = 0;
  const timer = setInterval(() => {
    for (const socket of slow) if (socket.writable) socket.write(text[at % text.length]!);
    at += 1;
  }, BYTE_EVERY_MS);
  try {
    const replies = Promise.all(slow.map(received));
    await eventually(() => api.connections() >= 1_000, { what: 'all slow sockets to be taken' });
    for (let i = 0; i < 20; i += 1) expect((await api.submit()).status).toBe('queued');
    for (const reply of await replies) {
      const [{ status, body, headers } = { status: 0, body: '', headers: {} }] = repliesIn(reply);
      expect(status).toBe(408);
      checkProblem(body, headers['x-request-id'] ?? null, 'request_timeout');
    }
    // But for those that `fetch` keeps.
    await eventually(() => api.connections() < 10, { what: 'the slow sockets to be gone' });
  } finally {
    clearInterval(timer);
    for (const socket of slow) socket.destroy();
  }
});

test.each([
  ['never sends a byte', ''],
  ['stops in its headers', 'POST /v1/runs HTTP/1.1\r\nHost'],
  ['stops in its second request', 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /he'],
])('A socket that %s is cut', async (_what, bytes) => {
  const sockets = { ...SOCKET_LIMITS, headers_within_ms: 300, check_every_ms: 50 };
  const api = await start({ settings: { sockets } });
  const socket = await opened(api.port);
  socket.write(bytes);
  expect(repliesIn(await received(socket)).at(-1)!.status).toBe(408);
  await eventually(() => api.connections() === 0, { what: 'the socket to be gone' });
});

test('A body that does not come in time is cut, and no run is made of it', async () => {
  const sockets = { ...SOCKET_LIMITS, headers_within_ms: 300, request_within_ms: 300, check_every_ms: 50 };
  const api = await start({ settings: { sockets } });
  const socket = await opened(api.port);
  const head = `POST /v1/runs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${api.keys.own}\r\n`;
  socket.write(`${head}Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{"goal":"2 + 2"`);
  const [reply] = repliesIn(await received(socket));
  checkProblem(reply!.body, reply!.headers['x-request-id']!, 'request_timeout');
  expect(await api.database.db.query('select 1 from runs')).toEqual([]);
});

test.each([
  ['over all', { connections: 5 }, 'more than 5 are open'],
  ['of one address', { connections_per_address: 5 }, 'more than 5 of one address are open'],
])(
  'Connections that are too many %s are dropped, which is logged once for many',
  async (_what, limits, words) => {
    const lines: string[] = [];
    const api = await start({
      settings: { sockets: { ...SOCKET_LIMITS, ...limits } },
      log: (line) => void lines.push(line),
    });
    const kept = await Promise.all(Array.from({ length: 5 }, () => opened(api.port)));
    await eventually(() => api.connections() === 5);
    for (let i = 0; i < 10; i += 1) expect(await received(await opened(api.port))).toBe('');
    expect(lines.filter((line) => line.includes(words))).toHaveLength(1);
    kept[0]!.write('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(repliesIn(await received(kept[0]!)).map(({ status }) => status)).toEqual([200]);
    kept[0]!.destroy();
    await eventually(() => api.connections() === 4, { what: 'one to have gone' });
    expect((await api.request('/healthz', { headers: { connection: 'close' } })).status).toBe(200);
    for (const socket of kept) socket.destroy();
  },
);

test.each([
  ['by its address', ['127.0.0.0/8']],
  ['by its place', 1],
])('A proxy that is trusted %s may open as many connections as it needs', async (_what, trust_proxy) => {
  const sockets = { ...SOCKET_LIMITS, connections_per_address: 2 };
  const api = await start({ settings: { sockets, trust_proxy } });
  const open = await Promise.all(Array.from({ length: 10 }, () => opened(api.port)));
  await eventually(() => api.connections() === 10, { what: 'all connections to be taken' });
  for (const socket of open) socket.destroy();
});
