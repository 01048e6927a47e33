import { once } from 'node:events';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';
import { openSse, openWs } from '../support/stream-readers';

const EVENTS = 400;
const CHARS = 50_000;
/** What may wait in the server for one reader, bytes: the high-water mark and one event, and room for the protocol. */
const BOUND = 3_000_000;

let api: ApiServer;
let hurried: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
  hurried = await startApiServer({
    settings: { stream: { auth_within_ms: 5_000, heartbeat_ms: 60_000, patience_ms: 3_000 } },
  });
});
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(async () => {
  await api.stop();
  await hurried.stop();
});

/** Appends 20 MB of events, then the last one, in bunches of 1 MB. */
async function appendMuch(server: ApiServer, run_id: string): Promise<number> {
  for (let i = 0; i < EVENTS; i += 20) await server.append(run_id, facts(i, 20, CHARS));
  return complete(server, run_id);
}

/** Waits until nothing more is put into the buffers of a server, and gives what they hold. */
async function settled(server: ApiServer): Promise<number> {
  let still = 0;
  let held = -1;
  return eventually(() => {
    still = server.unsentBytes() === held ? still + 1 : 0;
    held = server.unsentBytes();
    return still > 15 && held;
  });
}
const numbers = (last: number) => Array.from({ length: last }, (_, i) => i + 1);

describe.each(['while they happen', 'of the past'])('20 MB of events %s', (when) => {
  const live = when === 'while they happen';

  test('do not pile up for a reader of server-sent events that does not read, and it gets each once later', async () => {
    const run = await startedRun(api);
    let last = live ? 0 : await appendMuch(api, run.id);
    const slow = await openSse(api, `/v1/runs/${run.id}/events`, { reading: false });
    if (live) last = await appendMuch(api, run.id);
    // A reader that reads gets everything: there was nothing else the server waited for.
    const quick = await openSse(api, `/v1/runs/${run.id}/events`);
    await eventually(() => quick.ending() === 'end', { what: 'the quick reader' });
    const held = await settled(api);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(BOUND);
    slow.read();
    await eventually(() => slow.ending(), { what: 'the slow reader' });
    expect(slow.frames.slice(0, -1).map(({ id }) => Number(id))).toEqual(numbers(last));
    expect(slow.frames.at(-1)!.event).toBe('stream.end');
  });

  test('do not pile up for a WebSocket client that does not read, and it gets each once later', async () => {
    const run = await startedRun(api);
    let last = live ? 0 : await appendMuch(api, run.id);
    const slow = await openWs(api, `/ws/runs/${run.id}`, { key: null });
    slow.socket.pause();
    slow.send({ type: 'auth', token: api.keys.own });
    if (live) last = await appendMuch(api, run.id);
    const quick = await openWs(api, `/ws/runs/${run.id}`);
    await quick.closed();
    const held = await settled(api);
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThan(BOUND);
    slow.socket.resume();
    expect((await slow.closed())[0]).toBe(1000);
    const seqs = slow.events().map((text) => (JSON.parse(text) as { seq: number }).seq);
    expect(seqs).toEqual(numbers(last));
  });
});

describe('reader that never reads', () => {
  test('of server-sent events is cut off, and may come back to where it was', async () => {
    const run = await startedRun(hurried);
    const slow = await openSse(hurried, `/v1/runs/${run.id}/events`, { reading: false });
    const last = await appendMuch(hurried, run.id);
    await eventually(() => hurried.readers() === 0, { what: 'the reader to be let go' });
    slow.read();
    expect(await eventually(() => slow.ending())).toBe('cut');
    const got = slow.frames.map(({ id }) => Number(id));
    expect(got.length).toBeLessThan(last);
    const headers = { 'last-event-id': String(got.at(-1)) };
    const again = await openSse(hurried, `/v1/runs/${run.id}/events`, { headers });
    await eventually(() => again.ending());
    expect([...got, ...again.frames.slice(0, -1).map(({ id }) => Number(id))]).toEqual(numbers(last));
  });

  test('of a WebSocket is closed with 4408', async () => {
    const run = await startedRun(hurried);
    const slow = await openWs(hurried, `/ws/runs/${run.id}`);
    slow.socket.pause();
    const last = await appendMuch(hurried, run.id);
    await eventually(() => hurried.readers() === 0, { what: 'the reader to be let go' });
    slow.socket.resume();
    expect(await slow.closed()).toEqual([4408, 'slow']);
    expect(slow.events().length).toBeLessThan(last);
  });

  test('of a WebSocket does not fill the server with answers to its pings', async () => {
    const run = await startedRun(api);
    const mute = await openWs(api, `/ws/runs/${run.id}?after=last`);
    await eventually(() => mute.texts.length === 2);
    mute.socket.pause();
    const ping = JSON.stringify({ type: 'ping', t: 'x'.repeat(100) });
    let most = 0;
    for (let i = 0; i < 60 && api.readers() > 0; i += 1) {
      for (let j = 0; j < 2_000; j += 1) mute.send(ping);
      for (let j = 0; j < 500; j += 1) mute.socket.ping('x'.repeat(120));
      await eventually(() => {
        most = Math.max(most, api.unsentBytes());
        return mute.socket.bufferedAmount === 0 || api.readers() === 0;
      });
    }
    expect(most).toBeLessThan(BOUND);
    mute.socket.terminate();
    await once(mute.socket, 'close');
  });

  test('of a WebSocket is closed with 4408 too where answers to its pings fill the rest', async () => {
    const run = await startedRun(hurried);
    const known = new Set(hurried.sockets());
    const slow = await openWs(hurried, `/ws/runs/${run.id}`);
    await eventually(() => slow.events().length === 2);
    const [server] = [...hurried.sockets()].filter((socket) => !known.has(socket));
    slow.socket.pause();
    // Events fill the network, then almost all that may wait; one more would not fit.
    for (let i = 0; server!.writableLength < 985_000; i += 1) {
      const chars = server!.writableLength < 900_000 ? CHARS : 5_000;
      const handed = server!.bytesWritten + chars;
      await hurried.append(run.id, facts(i, 1, chars));
      await eventually(() => server!.bytesWritten > handed);
    }
    for (let i = 0; i < 190; i += 1) slow.socket.ping('x'.repeat(125));
    await eventually(() => hurried.readers() === 0, { what: 'the reader to be let go' });
    slow.socket.resume();
    expect(await slow.closed()).toEqual([4408, 'slow']);
  });
});

describe('heartbeat of server-sent events', () => {
  test('is a comment of 2 KB that no reader takes for an event', async () => {
    const server = await startApiServer({
      settings: { stream: { auth_within_ms: 5_000, heartbeat_ms: 30, patience_ms: 5_000 } },
    });
    try {
      const run = await startedRun(server);
      const reader = await openSse(server, `/v1/runs/${run.id}/events`);
      await eventually(() => reader.text().split(': heartbeat').length > 3, { what: 'heartbeats' });
      expect(/^: heartbeat +$/m.exec(reader.text())![0].length).toBeGreaterThan(2_048);
      await complete(server, run.id);
      await eventually(() => reader.ending() === 'end');
      expect(reader.frames.map(({ event }) => event)).toEqual([
        'run.created',
        'run.status',
        'run.completed',
        'stream.end',
      ]);
    } finally {
      await server.stop();
    }
  });
});
