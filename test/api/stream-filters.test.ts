import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, deltas, facts, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { framesOf, openSse, openWs, told, type SseReader } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(() => api.stop());

interface Page {
  data: { seq: number; type: string }[];
  has_more: boolean;
  position: number;
}
const STATES = 200;

const at = (run: { id: string }, query: string) => `/v1/runs/${run.id}/events${query}`;
const page = async (run: { id: string }, query: string) =>
  (await (await api.request(at(run, query))).json()) as Page;
const closed = (reader: SseReader) => eventually(() => reader.ending(), { what: 'the end of the stream' });
const told_of = (reader: SseReader) => reader.frames.map(({ id, event }) => `${id} ${event}`);

describe('filtered page', () => {
  test('looks on until it is full, and says how far it has looked', async () => {
    const run = await startedRun(api);
    await api.append(run.id, [...deltas(1, 600), ...facts(1, 2), ...deltas(700, 3)]);
    const first = await page(run, '?types=generation.completed,run.created&limit=2');
    expect(first).toMatchObject({ data: [{ seq: 1 }, { seq: 603 }], has_more: true, position: 603 });
    const rest = await page(run, `?types=generation.completed&types=run.created&after=${first.position}`);
    expect(rest).toMatchObject({ data: [{ seq: 604 }], has_more: false, position: 607 });
    expect((await page(run, '?deltas=false')).data.map(({ seq }) => seq)).toEqual([1, 2, 603, 604]);
    expect((await page(run, '?types=run.*')).data.map(({ seq }) => seq)).toEqual([1, 2]);
    expect((await page(run, '?types=generation.*&deltas=false')).data.map(({ seq }) => seq)).toEqual([
      603, 604,
    ]);
    expect((await page(run, '?types=step.failed')).data).toEqual([]);
    expect((await page(run, '?deltas=true&limit=3')).position).toBe(3);
  });

  test.each([
    'types=',
    'types=*',
    'types=Run.created',
    'types=run.created,',
    'types=a.b.c',
    'deltas=1',
    'deltas=',
  ])('is refused for %s', async (query) => {
    const run = await startedRun(api);
    const pointer = `/query/${query.split('=')[0]}`;
    const problem = await problemIn(await api.request(at(run, `?${query}`)), 'invalid_request');
    expect(problem.errors[0]!.pointer.startsWith(pointer)).toBe(true);
  });
});

describe('filtered server-sent events', () => {
  test('tell the position behind what was left out, so that a client that comes back goes on there', async () => {
    const run = await startedRun(api);
    await api.append(run.id, [...facts(1, 1), ...deltas(1, 5)]);
    const sse = await openSse(api, at(run, '?types=generation.completed'));
    await eventually(() => sse.frames.length === 2);
    expect(sse.frames[1]).toEqual({ id: '8', event: 'stream.position', data: '{"seq":8}' });
    await complete(api, run.id);
    await closed(sse);
    expect(told_of(sse)).toEqual([
      '3 generation.completed',
      '8 stream.position',
      '9 stream.position',
      '9 stream.end',
    ]);
    const headers = { 'last-event-id': '9' };
    expect((await openSse(api, at(run, '?types=generation.completed'), { headers })).status).toBe(204);
  });

  test('leave deltas out where they are not wanted', async () => {
    const run = await startedRun(api);
    const sse = await openSse(api, at(run, '?deltas=false&after=last'));
    await api.append(run.id, [...deltas(1, 3), ...facts(1, 1)]);
    await complete(api, run.id);
    await closed(sse);
    expect(told_of(sse)).toEqual(['6 generation.completed', '7 run.completed', '7 stream.end']);
  });
});

describe('filtered subscription', () => {
  test('is told its position in a frame', async () => {
    const run = await startedRun(api);
    const ws = await openWs(api, '/v1/stream');
    ws.send({ type: 'subscribe', sub: 'a', run_id: run.id, types: ['run.created'] });
    ws.send({ type: 'subscribe', sub: 'b', run_id: run.id, deltas: false, after: 'last' });
    expect(await told(ws, 'position')).toEqual({ type: 'position', sub: 'a', seq: 2 });
    await api.append(run.id, deltas(1, 4));
    expect(await told(ws, 'position', 2)).toMatchObject({ sub: 'b', seq: 6 });
    await complete(api, run.id);
    await told(ws, 'end', 2);
    const told_to = (sub: string) => framesOf(ws, 'event').filter((frame) => frame.sub === sub);
    expect(told_to('a')).toMatchObject([{ event: { seq: 1 } }]);
    expect(told_to('b')).toMatchObject([{ event: { seq: 7, type: 'run.completed' } }]);
    ws.socket.terminate();
  });

  test('may be asked for in the address of a run', async () => {
    const run = await startedRun(api);
    await complete(api, run.id);
    const ws = await openWs(api, `/ws/runs/${run.id}?types=run.completed&deltas=false`);
    await ws.closed();
    expect(ws.frames().map(({ type }) => type)).toEqual(['welcome', 'subscribed', 'event', 'end']);
  });
});

describe('live reader that becomes too slow', () => {
  /** 20 MB of deltas, more than the network holds by itself, each followed by a state. */
  async function appendMuch(run_id: string): Promise<number> {
    for (let i = 0; i < STATES; i += 1) await api.append(run_id, [...deltas(i, 1, 100_000), ...facts(i, 1)]);
    return complete(api, run_id);
  }

  test('of server-sent events loses deltas alone, is told which, and gets all else in order', async () => {
    const run = await startedRun(api);
    const slow = await openSse(api, at(run, '?after=last'), { reading: false });
    await api.append(run.id, deltas(1_000, 1)); // it is up to date once
    const last = await appendMuch(run.id);
    const quick = await openSse(api, at(run, ''));
    await closed(quick);
    slow.read();
    await closed(slow);
    checkNumbers(
      slow.frames.slice(0, -1).map(({ event, data }) => {
        const { from, to, reason, seq } = JSON.parse(data) as Record<string, number | string>;
        return event === 'stream.gap' ? { from, to, reason } : { seq: seq as number, type: event };
      }),
      last,
    );
  });

  test('of a WebSocket as well', async () => {
    const run = await startedRun(api);
    const slow = await openWs(api, `/ws/runs/${run.id}?after=last`);
    await told(slow, 'subscribed');
    slow.socket.pause();
    await api.append(run.id, deltas(1_000, 1));
    const last = await appendMuch(run.id);
    const quick = await openWs(api, `/ws/runs/${run.id}`);
    await quick.closed();
    slow.socket.resume();
    await slow.closed();
    const items = slow.frames().filter(({ type }) => type === 'event' || type === 'gap');
    checkNumbers(
      items.map(({ type, event, from, to, reason }) =>
        type === 'gap' ? { from, to, reason } : (event as { seq: number; type: string }),
      ),
      last,
    );
  });

  /** Every number once, as an event or in a gap; of states, none is missing. */
  function checkNumbers(items: object[], last: number): void {
    let next = 3;
    let states = 0;
    let missed = 0;
    for (const item of items as { seq?: number; type?: string; from: number; to: number; reason: string }[]) {
      expect(item.seq ?? item.from).toBe(next);
      next = (item.seq ?? item.to) + 1;
      if (item.seq === undefined) {
        expect(item.reason).toBe('slow');
        missed += item.to - item.from + 1;
      } else if (item.type !== 'generation.delta') states += 1;
    }
    expect(next).toBe(last + 1);
    expect(states).toBe(STATES + 1);
    expect(missed).toBeGreaterThan(0);
  }
});
