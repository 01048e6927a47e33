import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, eventTexts, facts, startedRun } from '../support/played-runs';
import { checkProblem } from '../support/problem';
import { openWs, type WsReader } from '../support/stream-readers';

const UNKNOWN = 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV';

let api: ApiServer;
let hurried: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
  hurried = await startApiServer({
    settings: { stream: { auth_within_ms: 100, heartbeat_ms: 1_000 } },
  });
});
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(async () => {
  await api.stop();
  await hurried.stop();
});

const typesOf = (ws: WsReader) => ws.frames().map(({ type }) => type);
/** Sends bytes as they are and gives everything that comes back until the server closes. */
async function raw(bytes: string): Promise<{ head: string; body: string; request_id: string | null }> {
  const socket = connect(api.port, '127.0.0.1');
  socket.write(bytes);
  let text = '';
  for await (const part of socket) text += String(part);
  const [head = '', body = ''] = text.split('\r\n\r\n');
  return { head, body, request_id: /x-request-id: (\S+)/i.exec(head)?.[1] ?? null };
}
const handshake = (
  path: string,
  more = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
) => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;

describe('WebSocket of a run', () => {
  test('welcomes, says where it begins, gives every event as it is and comes, ends, and closes with 1000', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await eventually(() => ws.events().length === 2);
    await api.append(run.id, facts(1, 3));
    await eventually(() => ws.events().length === 5);
    await complete(api, run.id);
    expect(await ws.closed()).toEqual([1000, '']);
    const [welcome, subscribed, ...rest] = ws.frames();
    expect(welcome).toEqual({
      type: 'welcome',
      session_id: expect.stringMatching(/^ses_/) as string,
      heartbeat_ms: 15_000,
      window: null,
      max_subs: 1,
    });
    expect(subscribed).toMatchObject({
      type: 'subscribed',
      sub: 'run',
      from_seq: 1,
      head_seq: 2,
      run: { id: run.id },
    });
    expect(rest.map(({ type }) => type)).toEqual([...Array<string>(6).fill('event'), 'end']);
    expect(rest.at(-1)).toEqual({
      type: 'end',
      sub: 'run',
      run_id: run.id,
      status: 'completed',
      last_seq: 6,
    });
    expect(ws.events()).toEqual(await eventTexts(api, run.id));
  });

  test('begins behind the cursor', async () => {
    const run = await startedRun(api);
    await api.append(run.id, facts(1, 3));
    const ws = await openWs(api, `/ws/runs/${run.id}?after=3`);
    const last = await openWs(api, `/ws/runs/${run.id}?after=last`);
    await eventually(() => typesOf(last).includes('subscribed'));
    await complete(api, run.id);
    await Promise.all([ws.closed(), last.closed()]);
    const seqs = (reader: WsReader) =>
      reader.events().map((text) => (JSON.parse(text) as { seq: number }).seq);
    expect([seqs(ws), seqs(last)]).toEqual([[4, 5, 6], [6]]);
    expect(last.frames()[1]).toMatchObject({ from_seq: 6, head_seq: 5 });
  });

  test('ends at once for a reader that has everything of a run that is over', async () => {
    const run = await startedRun(api);
    await complete(api, run.id);
    for (const after of ['3', 'last']) {
      const ws = await openWs(api, `/ws/runs/${run.id}?after=${after}`);
      expect((await ws.closed())[0]).toBe(1000);
      expect(typesOf(ws)).toEqual(['welcome', 'subscribed', 'end']);
    }
  });

  test('leaves nothing behind when its client drops', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await eventually(() => ws.events().length === 2);
    expect(api.readers()).toBe(1);
    ws.socket.terminate();
    await eventually(() => api.readers() === 0, { what: 'the reader to leave' });
    expect((await api.get(run.id)).status).toBe('running');
  });

  test('answers pings, those of frames and those of the protocol', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}?after=last`);
    for (const t of [1, 'two', undefined]) ws.send({ type: 'ping', ...(t === undefined ? {} : { t }) });
    await eventually(() => ws.frames().filter(({ type }) => type === 'pong').length === 3);
    expect(ws.frames().filter(({ type }) => type === 'pong')).toEqual([
      { type: 'pong', t: 1 },
      { type: 'pong', t: 'two' },
      { type: 'pong', t: null },
    ]);
    const pong = once(ws.socket, 'pong');
    ws.socket.ping('bytes');
    expect(String((await pong)[0])).toBe('bytes');
    ws.socket.close();
    await ws.closed();
  });

  test.each([
    [[], ''],
    [['longhaul.v1'], 'longhaul.v1'],
    [['other', 'longhaul.v1'], 'longhaul.v1'],
  ])('selects of the protocols %j "%s"', async (protocols, selected) => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`, { protocols });
    expect(ws.socket.protocol).toBe(selected);
    ws.socket.close();
    await ws.closed();
  });

  test('selects no protocol that it does not speak', async () => {
    const run = await startedRun(api);
    await expect(openWs(api, `/ws/runs/${run.id}`, { protocols: ['longhaul.v2'] })).rejects.toThrow(
      /subprotocol/,
    );
  });
});

describe('key of a WebSocket', () => {
  test('may come in the first frame, and nothing is told before', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`, { key: null });
    ws.send({ type: 'ping', t: 1 });
    await eventually(() => ws.texts.length > 0);
    expect(typesOf(ws)).toEqual(['pong']);
    ws.send({ type: 'auth', token: api.keys.own });
    await eventually(() => ws.events().length === 2);
    await complete(api, run.id);
    expect((await ws.closed())[0]).toBe(1000);
  });

  test('that is wrong closes with 4401, in the header and in the frame', async () => {
    const run = await startedRun(api);
    const key = `lh_${'A'.repeat(43)}`;
    const inHeader = await openWs(api, `/ws/runs/${run.id}`, { key });
    const inFrame = await openWs(api, `/ws/runs/${run.id}`, { key: null });
    inFrame.send({ type: 'auth', token: key });
    for (const ws of [inHeader, inFrame]) {
      expect(await ws.closed()).toEqual([4401, 'unauthorized']);
      expect(ws.frames()).toMatchObject([{ type: 'error', code: 'unauthorized', retryable: false }]);
    }
  });

  test('that does not come in time closes with 4401', async () => {
    const run = await startedRun(hurried);
    const ws = await openWs(hurried, `/ws/runs/${run.id}`, { key: null });
    expect((await ws.closed())[0]).toBe(4401);
  });

  test('opens neither unknown nor foreign runs: 4404 with the same words', async () => {
    const run = await startedRun(api);
    const foreign = await openWs(api, `/ws/runs/${run.id}`, { key: api.keys.foreign });
    const others = ['garbage', UNKNOWN, '%00', '%zz'].map((id) => openWs(api, `/ws/runs/${id}`));
    for (const ws of [foreign, ...(await Promise.all(others))]) {
      expect(await ws.closed()).toEqual([4404, 'not_found']);
      expect(ws.texts).toEqual(foreign.texts);
    }
  });
});

describe('WebSocket client that breaks the rules', () => {
  test.each([
    ['after=garbage', 'invalid_cursor'],
    ['after=-1', 'invalid_cursor'],
    ['after=', 'invalid_cursor'],
    ['after=1&after=2', 'invalid_cursor'],
    ['after=99', 'cursor_ahead'],
    ['types=created', 'invalid_request'],
    ['deltas=no', 'invalid_request'],
    ['window=0', 'invalid_request'],
    ['limit=1', 'invalid_request'],
    ['__proto__=1', 'invalid_request'],
  ])('is told about the query %s: %s, 4400', async (query, code) => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}?${query}`);
    expect(await ws.closed()).toEqual([4400, code]);
    expect(ws.frames()).toMatchObject([{ type: 'error', code }]);
  });

  test.each<[string, string | Buffer]>([
    ['no JSON', 'hello'],
    ['JSON that is no object', '7'],
    ['binary', Buffer.from('{"type":"ping"}')],
    ['of an unknown type', '{"type":"command","id":"1","name":"cancel"}'],
    ['with an unknown member', '{"type":"ping","t":1,"u":2}'],
    ['of a type that is a prototype’s', '{"type":"constructor"}'],
    ['empty', ''],
  ])('gets 4400 for a frame that is %s', async (_what, frame) => {
    const run = await startedRun(api);
    for (const key of [api.keys.own, null]) {
      const ws = await openWs(api, `/ws/runs/${run.id}`, { key });
      ws.socket.send(frame, { binary: typeof frame !== 'string' });
      expect((await ws.closed())[0]).toBe(4400);
      expect(ws.frames().at(-1)).toMatchObject({ type: 'error', code: 'invalid_request', retryable: false });
    }
  });

  test('gets 1009 for a frame of 2 MB', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    ws.send('x'.repeat(2_000_000));
    expect((await ws.closed())[0]).toBe(1009);
  });

  test('is let go when it gives no sign of life', async () => {
    const run = await startedRun(hurried);
    const options = { headers: { authorization: `Bearer ${hurried.keys.own}` }, autoPong: false };
    const deaf = new WebSocket(`ws://127.0.0.1:${hurried.port}/ws/runs/${run.id}`, options);
    expect((await once(deaf, 'close'))[0]).toBe(1006);
    const alive = await openWs(hurried, `/ws/runs/${run.id}`);
    let pings = 0;
    alive.socket.on('ping', () => (pings += 1));
    await eventually(() => pings > 2, { what: 'heartbeats' });
    await complete(hurried, run.id);
    expect((await alive.closed())[0]).toBe(1000);
  });

  test.each([['/ws'], ['/ws/runs'], ['/v1/streams'], ['//'], ['http://['], ['/ws/runs/a/b']])(
    'gets the problem document at %s',
    async (path) => {
      const { head, body, request_id } = await raw(handshake(path));
      expect(head).toMatch(/^HTTP\/1.1 404 /);
      expect(head).toContain('application/problem+json');
      checkProblem(body, request_id, 'not_found');
    },
  );

  test('gets the problem document for a handshake that is none', async () => {
    for (const more of ['', 'Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n']) {
      const { head, body, request_id } = await raw(handshake(`/ws/runs/${UNKNOWN}`, more));
      expect(head).toMatch(/^HTTP\/1.1 400 /);
      checkProblem(body, request_id, 'invalid_request');
    }
  });

  test('cannot end the process by leaving in the middle of a refusal', async () => {
    for (let i = 0; i < 50; i += 1) {
      const socket = connect(api.port, '127.0.0.1');
      socket.write(handshake('/nowhere'), () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    await eventually(() => api.connections() === 0, { what: 'all sockets to be gone' });
    expect((await api.request('/healthz')).status).toBe(200);
  });
});

describe('server that stops', () => {
  test('says 1001 to its readers, and does not wait for those that do not answer', async () => {
    const server = await startApiServer({ finish_within_ms: 10_000 });
    const run = await startedRun(server);
    const ws = await openWs(server, `/ws/runs/${run.id}`);
    const mute = await openWs(server, `/ws/runs/${run.id}`);
    await eventually(() => ws.events().length === 2 && mute.events().length === 2);
    mute.socket.pause();
    await server.stop();
    expect(await ws.closed()).toEqual([1001, 'The server stops.']);
    expect(server.readers()).toBe(0);
    mute.socket.terminate();
  });
});

describe('request that offers another protocol in passing', () => {
  test('is served as if it had not', async () => {
    const body = '{"goal":"2 + 2"}';
    const { head, body: reply } = await raw(
      `POST /v1/runs HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n` +
        `X-API-Key: ${api.keys.own}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(head).toMatch(/^HTTP\/1.1 202 /);
    expect(JSON.parse(reply.split('HTTP/1.1 200')[0]!)).toMatchObject({ goal: '2 + 2', status: 'queued' });
  });
});
