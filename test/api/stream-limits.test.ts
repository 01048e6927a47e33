import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { framesOf, openSse, openWs, told } from '../support/stream-readers';

/** What may wait in the server for one socket, bytes: the high-water mark and one event, and room for the protocol. */
const BOUND = 2_000_000;

let api: ApiServer;
/** One that waits for nobody: for clients that do nothing. */
let hurried: ApiServer;
beforeAll(async () => {
  api = await startApiServer({
    settings: {
      allowed_origins: ['https://console.example.com'],
      stream: { patience_ms: 2_000, keys_every_ms: 50, per_key: 20 },
    },
  });
  hurried = await startApiServer({ settings: { stream: { auth_within_ms: 300, heartbeat_ms: 300 } } });
});
afterEach(() =>
  eventually(() => api.readers() === 0 && api.deps.streams.size === 0, { what: 'all to have left' }),
);
afterAll(async () => {
  await hurried.stop();
  await api.stop();
});

describe('client that sends too much', () => {
  test('of 10,000 subscriptions gets as many as a socket may have, then errors, then 4429', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, '/v1/stream');
    const subscribe = (from: number, to: number) => {
      for (let i = from; i < to; i += 1)
        ws.send({ type: 'subscribe', sub: `s${i}`, run_id: run.id, after: 'last' });
    };
    subscribe(0, 101);
    // Answered before the flood closes the socket: it ends what still waits.
    expect(await told(ws, 'error')).toMatchObject({ code: 'too_many_subscriptions' });
    subscribe(101, 10_000);
    expect(await ws.closed()).toEqual([4429, 'too_many_frames']);
    expect(framesOf(ws, 'subscribed')).toHaveLength(100);
    expect(ws.frames().at(-1)).toMatchObject({ type: 'error', code: 'too_many_frames', retryable: true });
  });

  test('is refused the 101st subscription by name', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, '/v1/stream');
    for (let i = 0; i < 101; i += 1) ws.send({ type: 'subscribe', sub: `s${i}`, run_id: run.id });
    expect(await told(ws, 'error')).toMatchObject({ sub: 's100', code: 'too_many_subscriptions' });
    expect(framesOf(ws, 'subscribed')).toHaveLength(100);
    ws.socket.terminate();
  });

  test.each(['frames', 'protocol pings'])(
    'a flood of pings as %s is cut off, and others are served meanwhile',
    async (kind) => {
      const run = await startedRun(api);
      const flood = await openWs(api, '/v1/stream');
      const other = await openWs(api, `/ws/runs/${run.id}`);
      const sending = setInterval(() => {
        for (let i = 0; i < 100; i += 1) {
          if (kind === 'frames') flood.send({ type: 'ping', t: 'x'.repeat(80) });
          else flood.socket.ping('x'.repeat(100));
        }
      }, 10);
      try {
        expect(await flood.closed()).toEqual([4429, 'too_many_frames']);
      } finally {
        clearInterval(sending);
      }
      await complete(api, run.id);
      expect((await other.closed())[0]).toBe(1000);
    },
  );

  test('half a frame that hangs ends with the heartbeat', async () => {
    const run = await startedRun(hurried);
    const socket = connect(hurried.port, '127.0.0.1');
    socket.write(
      `GET /ws/runs/${run.id} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-API-Key: ${hurried.keys.own}\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await once(socket, 'data');
    // A text of 60,000 bytes is announced, masked, and 3 of them come.
    socket.write(Buffer.from([0x81, 0xfe, 0xea, 0x60, 1, 2, 3, 4, 5, 6, 7]));
    await once(socket.resume(), 'close');
  });

  test('nothing at all ends it when no key has come in time', async () => {
    const ws = await openWs(hurried, '/v1/stream', { key: null });
    expect(await ws.closed()).toEqual([4401, 'unauthorized']);
    const early = await openWs(api, '/v1/stream', { key: null });
    early.send({ type: 'subscribe', sub: 'a', run_id: 'run_1' });
    expect(await early.closed()).toEqual([4401, 'unauthorized']);
  });
});

describe('socket with many subscriptions that never reads', () => {
  test('holds no more in the server than one with one, and is let go with 4408', async () => {
    const runs = await Promise.all(Array.from({ length: 10 }, () => startedRun(api)));
    for (const { id } of runs) {
      for (let i = 0; i < 60; i += 20) await api.append(id, facts(i, 20, 50_000));
    }
    const ws = await openWs(api, '/v1/stream');
    for (const { id } of runs) ws.send({ type: 'subscribe', sub: id, run_id: id });
    ws.socket.pause();
    await eventually(() => api.readers() === 10, { what: 'the subscriptions' });
    let most = 0;
    await eventually(() => {
      most = Math.max(most, api.unsentBytes());
      return api.readers() === 0;
    });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(BOUND);
    ws.socket.resume();
    expect(await ws.closed()).toEqual([4408, 'slow']);
  });

  test('gives every run a turn once it reads', async () => {
    const runs = await Promise.all(Array.from({ length: 5 }, () => startedRun(api)));
    for (const { id } of runs) {
      for (let i = 0; i < 60; i += 20) await api.append(id, facts(i, 20, 50_000));
      await complete(api, id);
    }
    const ws = await openWs(api, '/v1/stream');
    for (const { id } of runs) ws.send({ type: 'subscribe', sub: id, run_id: id });
    await told(ws, 'end', 5);
    // None waits for another's end: all have begun before the first is through.
    const frames = ws.frames();
    const begun = runs.map(({ id }) => frames.findIndex(({ type, sub }) => type === 'event' && sub === id));
    expect(Math.max(...begun)).toBeLessThan(frames.findIndex(({ type }) => type === 'end'));
    for (const { id } of runs) {
      const seqs = framesOf(ws, 'event').flatMap(({ sub, event }) =>
        sub === id ? [(event as { seq: number }).seq] : [],
      );
      expect(seqs).toEqual(Array.from({ length: 63 }, (_, i) => i + 1));
    }
    ws.socket.terminate();
  });
});

describe('key with streams', () => {
  test('that is revoked or expires loses them, and no other key does', async () => {
    const run = await startedRun(api);
    const { id, secret } = await createApiKey(api.database.db, 'tenant_own', 'short-lived');
    const kept = await openWs(api, `/ws/runs/${run.id}`);
    for (const change of ['revoked_at = now()', "revoked_at = null, expires_at = now() - interval '1 s'"]) {
      await api.database.db.query('update api_keys set revoked_at = null, expires_at = null where id = $1', [
        id,
      ]);
      const sse = await openSse(api, `/v1/runs/${run.id}/events`, { key: secret });
      const ws = await openWs(api, '/v1/stream', { key: secret });
      await told(ws, 'welcome');
      await eventually(() => sse.frames.length === 2);
      await api.database.db.query(`update api_keys set ${change} where id = $1`, [id]);
      expect(await ws.closed()).toEqual([4401, 'unauthorized']);
      expect(ws.frames().at(-1)).toMatchObject({ type: 'error', code: 'unauthorized', retryable: false });
      expect(await eventually(() => sse.ending())).toBe('end');
      expect(sse.text()).not.toContain('stream.end');
    }
    await complete(api, run.id);
    expect((await kept.closed())[0]).toBe(1000);
  });

  test('gets no more than it may have, on any wire', async () => {
    const run = await startedRun(api);
    const open = await Promise.all(
      Array.from({ length: 20 }, () => openSse(api, `/v1/runs/${run.id}/events`)),
    );
    const headers = { accept: 'text/event-stream' };
    await problemIn(await api.request(`/v1/runs/${run.id}/events`, { headers }), 'too_many_streams');
    const ws = await openWs(api, '/v1/stream');
    expect(await ws.closed()).toEqual([4429, 'too_many_streams']);
    open[0]!.drop();
    await eventually(() => api.deps.streams.size === 19);
    const next = await openWs(api, '/v1/stream');
    await told(next, 'welcome');
    next.socket.terminate();
    for (const sse of open) sse.drop();
  });
});

describe('origin of a WebSocket', () => {
  const statusFor = async (origin: string, path = '/v1/stream') => {
    const socket = new WebSocket(`ws://127.0.0.1:${api.port}${path}`, {
      headers: { authorization: `Bearer ${api.keys.own}`, origin },
    });
    socket.on('error', () => undefined);
    const opened = once(socket, 'open').then(() => 101);
    const refused = once(socket, 'unexpected-response').then(
      ([, reply]) => (reply as { statusCode: number }).statusCode,
    );
    const status = await Promise.race([opened, refused]);
    socket.terminate();
    return status;
  };

  test.each(['http://longhaul.test', 'https://console.example.com'])('%s may connect', async (origin) => {
    expect(await statusFor(origin)).toBe(101);
  });

  test.each([
    'https://evil.example',
    'https://longhaul.test',
    'http://longhaul.test.evil.example',
    'null',
    '',
  ])('"%s" is refused at the handshake', async (origin) => {
    expect(await statusFor(origin)).toBe(403);
    expect(await statusFor(origin, '/ws/runs/run_1')).toBe(403);
  });
});

describe('server-sent events with a wrong Last-Event-ID', () => {
  test.each(['-1', '1.5', '1e3', 'abc', '0x10', '99999999999999999', 'null', '1, 2', 'last ', '٣'])(
    '"%s" are refused',
    async (id) => {
      const run = await startedRun(api);
      const header = Buffer.from(id).toString('latin1');
      const reply = await openSse(api, `/v1/runs/${run.id}/events`, { headers: { 'last-event-id': header } });
      // Blanks around a header's value are no part of it.
      expect(reply.status).toBe(id === 'last ' ? 200 : 400);
      reply.drop();
    },
  );
});

describe('server that stops', () => {
  test('says goodbye, and when to come back', async () => {
    const server = await startApiServer({ finish_within_ms: 10_000 });
    const run = await startedRun(server);
    const sse = await openSse(server, `/v1/runs/${run.id}/events`);
    const ws = await openWs(server, `/ws/runs/${run.id}`);
    await eventually(() => ws.events().length === 2 && sse.frames.length === 2);
    await server.stop();
    expect(await ws.closed()).toEqual([1001, 'The server stops.']);
    const goodbye = ws.frames().at(-1)!;
    expect(goodbye).toMatchObject({ type: 'goodbye', reason: 'draining' });
    expect(goodbye.reconnect_after_ms).toBeGreaterThanOrEqual(1_000);
    expect(goodbye.reconnect_after_ms).toBeLessThanOrEqual(5_000);
    expect(await eventually(() => sse.ending())).toBe('end');
    expect(sse.text()).toMatch(/\n\nretry: \d{4}\n\n$/);
    expect(sse.text()).not.toContain('stream.end');
  });
});
