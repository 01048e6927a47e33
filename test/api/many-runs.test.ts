import type { Scope } from '../../src/contracts/api-key';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, eventTexts, facts, startedRun } from '../support/played-runs';
import { framesOf, openWs, told, type WsReader } from '../support/stream-readers';

const UNKNOWN = 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(() => api.stop());

const seqsOf = (ws: WsReader, sub: string) =>
  framesOf(ws, 'event')
    .filter((frame) => frame.sub === sub)
    .map(({ event }) => (event as { seq: number }).seq);

describe('WebSocket for many runs', () => {
  let ws: WsReader;
  beforeEach(async () => {
    ws = await openWs(api, '/v1/stream');
    await told(ws, 'welcome');
  });
  afterEach(() => ws.socket.terminate());

  test('welcomes, and gives each subscription its own events, the same bytes as the page', async () => {
    expect(ws.frames()).toEqual([
      {
        type: 'welcome',
        session_id: expect.stringMatching(/^ses_/) as string,
        heartbeat_ms: 15_000,
        window: null,
        max_subs: 100,
      },
    ]);
    const [a, b] = [await startedRun(api), await startedRun(api)];
    ws.send({ type: 'subscribe', sub: 'a', run_id: a.id });
    ws.send({ type: 'subscribe', sub: '"b"', run_id: b.id, after: 'last' });
    await told(ws, 'subscribed', 2);
    await api.append(b.id, facts(1, 2));
    await api.append(a.id, facts(1, 1));
    await complete(api, a.id);
    expect(await told(ws, 'end')).toEqual({
      type: 'end',
      sub: 'a',
      run_id: a.id,
      status: 'completed',
      last_seq: 4,
    });
    await eventually(() => seqsOf(ws, '"b"').length === 2);
    expect(seqsOf(ws, 'a')).toEqual([1, 2, 3, 4]);
    expect(seqsOf(ws, '"b"')).toEqual([3, 4]);
    const raw = ws.texts.flatMap(
      (text) => /^\{"type":"event","sub":"a","event":(.*)\}$/.exec(text)?.[1] ?? [],
    );
    expect(raw).toEqual(await eventTexts(api, a.id));
    // The name is free again, and the socket still there.
    ws.send({ type: 'subscribe', sub: 'a', run_id: a.id, after: 4 });
    await told(ws, 'end', 2);
    expect(framesOf(ws, 'subscribed')[2]).toMatchObject({ sub: 'a', from_seq: 5, head_seq: 4 });
  });

  test('unsubscribes', async () => {
    const run = await startedRun(api);
    ws.send({ type: 'subscribe', sub: 'a', run_id: run.id });
    await eventually(() => seqsOf(ws, 'a').length === 2);
    ws.send({ type: 'unsubscribe', sub: 'a' });
    await told(ws, 'unsubscribed');
    expect(api.readers()).toBe(0);
    ws.send({ type: 'unsubscribe', sub: 'a' });
    expect(await told(ws, 'error')).toMatchObject({ sub: 'a', code: 'not_found', retryable: false });
  });

  test('says what is wrong with a subscription, and lives on', async () => {
    const run = await startedRun(api);
    ws.send({ type: 'subscribe', sub: 'unknown', run_id: UNKNOWN });
    ws.send({ type: 'subscribe', sub: 'garbage', run_id: "' or 1=1" });
    ws.send({ type: 'subscribe', sub: 'ahead', run_id: run.id, after: 99 });
    ws.send({ type: 'subscribe', sub: 'twice', run_id: run.id });
    ws.send({ type: 'subscribe', sub: 'twice', run_id: run.id });
    await told(ws, 'error', 4);
    expect(framesOf(ws, 'error')).toMatchObject([
      { sub: 'unknown', code: 'not_found' },
      { sub: 'garbage', code: 'not_found' },
      { sub: 'ahead', code: 'cursor_ahead', last_seq: 2 },
      { sub: 'twice', code: 'invalid_request' },
    ]);
    ws.send({ type: 'ping', t: 1 });
    await told(ws, 'pong');
  });

  test('sees no run of another tenant', async () => {
    const run = await startedRun(api);
    const foreign = await openWs(api, '/v1/stream', { key: api.keys.foreign });
    foreign.send({ type: 'subscribe', sub: 'a', run_id: run.id });
    foreign.send({ type: 'command', id: 'c', name: 'cancel', params: { run_id: run.id } });
    expect(await told(foreign, 'error')).toMatchObject({ sub: 'a', code: 'not_found' });
    expect(await told(foreign, 'result')).toMatchObject({ id: 'c', ok: false, error: { code: 'not_found' } });
    foreign.socket.terminate();
  });

  test('cancels a run by command, as far as the key may', async () => {
    const run = await startedRun(api);
    ws.send({ type: 'command', id: 'c1', name: 'cancel', params: { run_id: run.id, reason: 'enough' } });
    expect(await told(ws, 'result')).toMatchObject({
      id: 'c1',
      ok: true,
      data: { id: run.id, status: 'cancelling', status_reason: 'enough' },
    });
    const keyWith = async (scope: Scope) =>
      (await createApiKey(api.database.db, 'tenant_own', scope, { scopes: [scope] })).secret;
    const reader = await openWs(api, '/v1/stream', { key: await keyWith('runs:read') });
    reader.send({ type: 'command', id: 'c2', name: 'cancel', params: { run_id: run.id } });
    expect(await told(reader, 'result')).toMatchObject({ id: 'c2', ok: false, error: { code: 'forbidden' } });
    const writer = await openWs(api, '/v1/stream', { key: await keyWith('runs:write') });
    expect(await writer.closed()).toEqual([4403, 'forbidden']);
    reader.socket.terminate();
  });

  test.each([
    ['NUL', 'a\0b'],
    ['half a character', 'a\ud800'],
    ['the other half', '\udfffa'],
  ])('takes no text that holds %s for a reason, and nothing is changed', async (_what, reason) => {
    const run = await startedRun(api);
    ws.send({ type: 'command', id: 'c', name: 'cancel', params: { run_id: run.id, reason } });
    expect(await ws.closed()).toEqual([4400, 'bad frame']);
    expect(await api.get(run.id)).toMatchObject({ status: 'running', last_seq: 2 });
  });

  test('leaves nothing behind when its client drops', async () => {
    const runs = await Promise.all([startedRun(api), startedRun(api), startedRun(api)]);
    for (const { id } of runs) ws.send({ type: 'subscribe', sub: id, run_id: id });
    await eventually(() => api.readers() === 3);
    ws.socket.terminate();
    await eventually(() => api.readers() === 0 && api.deps.streams.size === 0);
  });
});

describe('window of a WebSocket', () => {
  test('holds back what is not acknowledged, and nothing else', async () => {
    const [run, other] = [await startedRun(api), await startedRun(api)];
    await api.append(run.id, facts(1, 10));
    const ws = await openWs(api, '/v1/stream?window=3');
    expect(await told(ws, 'welcome')).toMatchObject({ window: 3 });
    ws.send({ type: 'subscribe', sub: 'a', run_id: run.id });
    ws.send({ type: 'subscribe', sub: 'b', run_id: other.id });
    await eventually(() => seqsOf(ws, 'b').length === 2);
    ws.send({ type: 'ping', t: 1 });
    await told(ws, 'pong');
    expect(seqsOf(ws, 'a')).toEqual([1, 2, 3]);
    ws.send({ type: 'ack', sub: 'a', seq: 2 });
    await eventually(() => seqsOf(ws, 'a').length === 5);
    ws.send({ type: 'ack', sub: 'a', seq: 2 }); // says nothing new
    ws.send({ type: 'ping', t: 2 });
    await told(ws, 'pong', 2);
    expect(seqsOf(ws, 'a')).toEqual([1, 2, 3, 4, 5]);
    await complete(api, run.id);
    for (let seq = 3; seq <= 12; seq += 1) {
      ws.send({ type: 'ack', sub: 'a', seq });
      await eventually(() => seqsOf(ws, 'a').length === Math.min(13, seq + 3));
    }
    ws.send({ type: 'ack', sub: 'a', seq: 13 });
    await told(ws, 'end');
    expect(seqsOf(ws, 'a')).toEqual(Array.from({ length: 13 }, (_, i) => i + 1));
    ws.socket.terminate();
  });
});

describe('WebSocket of one run', () => {
  test('has one subscription, called run, and closes when it is unsubscribed', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await eventually(() => ws.events().length === 2);
    ws.send({ type: 'subscribe', sub: 'more', run_id: run.id });
    expect(await told(ws, 'error')).toMatchObject({ sub: 'more', code: 'too_many_subscriptions' });
    ws.send({ type: 'unsubscribe', sub: 'run' });
    expect(await ws.closed()).toEqual([1000, '']);
    expect(ws.frames().at(-1)).toEqual({ type: 'unsubscribed', sub: 'run' });
  });
});
