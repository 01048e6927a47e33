import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, eventTexts, facts, forget, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { openSse, openWs, type SseReader } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterEach(() => eventually(() => api.readers() === 0, { what: 'all readers to have left' }));
afterAll(() => api.stop());

interface Page {
  object: string;
  data: { id: string; seq: number }[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
  gaps: object[];
}
const page = async (run_id: string, query = ''): Promise<Page> =>
  (await (await api.request(`/v1/runs/${run_id}/events${query}`)).json()) as Page;
const seqs = ({ data }: Page) => data.map(({ seq }) => seq);
const closed = (reader: SseReader) => eventually(() => reader.ending(), { what: 'the end of the stream' });
const at = (run: { id: string }, query = '') => `/v1/runs/${run.id}/events${query}`;

describe('page of events', () => {
  test('goes from cursor to cursor without losing or repeating a number', async () => {
    const run = await startedRun(api);
    await api.append(run.id, facts(1, 248));
    const pages = [await page(run.id)];
    while (pages.at(-1)!.has_more) pages.push(await page(run.id, `?after=${seqs(pages.at(-1)!).at(-1)}`));
    expect(pages.map(({ data }) => data.length)).toEqual([100, 100, 50]);
    expect(pages.flatMap(seqs)).toEqual(Array.from({ length: 250 }, (_, i) => i + 1));
    for (const { object, data, first_id, last_id, gaps } of pages) {
      expect({ object, first_id, last_id, gaps }).toEqual({
        object: 'list',
        first_id: data[0]!.id,
        last_id: data.at(-1)!.id,
        gaps: [],
      });
    }
  });

  test('has more only when there is more', async () => {
    const run = await startedRun(api);
    expect(await page(run.id, '?limit=1')).toMatchObject({ has_more: true });
    expect(await page(run.id, '?limit=2')).toMatchObject({ has_more: false });
    expect(await page(run.id, '?limit=500')).toMatchObject({ has_more: false });
    const nothing = { data: [], has_more: false, first_id: null, last_id: null };
    expect(await page(run.id, '?after=2')).toMatchObject(nothing);
    expect(await page(run.id, '?after=last')).toMatchObject(nothing);
  });
});

describe('server-sent events', () => {
  test('carry number, type and the same bytes as the JSON page and the WebSocket, then the end', async () => {
    const run = await startedRun(api);
    await api.append(run.id, [
      { key: 'odd', type: 'generation.completed', data: { text: 'ä\n\r\u2028"\\ \u{1f600}' } },
      { key: 'step', type: 'step.skipped', step_id: 'a', data: { reason: 'not needed' } },
    ]);
    await complete(api, run.id);
    const texts = await eventTexts(api, run.id);
    expect(texts).toHaveLength(5);

    const sse = await openSse(api, at(run));
    expect(await closed(sse)).toBe('end');
    expect(sse.status).toBe(200);
    expect(sse.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      vary: 'Accept',
    });
    expect(sse.headers['content-encoding']).toBeUndefined();
    expect(sse.headers['x-request-id']).toMatch(/^req_/);
    expect(sse.text().startsWith('retry: 2000\n\n')).toBe(true);
    expect(sse.frames).toEqual([
      ...texts.map((data, i) => ({
        id: String(i + 1),
        event: (JSON.parse(data) as { type: string }).type,
        data,
      })),
      { id: '5', event: 'stream.end', data: '{"status":"completed","last_seq":5}' },
    ]);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await ws.closed();
    expect(ws.events()).toEqual(texts);
  });

  test('come while they happen, and end after the event that ends the run', async () => {
    const run = await startedRun(api);
    const sse = await openSse(api, at(run, '?after=last'));
    expect(sse.frames).toEqual([]);
    for (let i = 0; i < 5; i += 1) {
      await api.append(run.id, facts(i, 1));
      await eventually(() => sse.frames.length === i + 1, { what: `event ${i}` });
    }
    expect(sse.ending()).toBeUndefined();
    await complete(api, run.id);
    expect(await closed(sse)).toBe('end');
    expect(sse.frames.map(({ id, event }) => `${id} ${event}`).slice(4)).toEqual([
      '7 generation.completed',
      '8 run.completed',
      '8 stream.end',
    ]);
  });

  test('go on behind Last-Event-ID, which wins over the address', async () => {
    const run = await startedRun(api);
    await api.append(run.id, facts(1, 3));
    await complete(api, run.id);
    const sse = await openSse(api, at(run, '?after=1'), { headers: { 'last-event-id': '4' } });
    await closed(sse);
    expect(sse.frames.map(({ id }) => id)).toEqual(['5', '6', '6']);
  });

  test('are 204 for a reader that has everything of a run that is over', async () => {
    const run = await startedRun(api);
    await complete(api, run.id);
    const headers = { 'last-event-id': '3' };
    const reader = await openSse(api, at(run), { headers });
    expect([reader.status, await closed(reader), reader.text()]).toEqual([204, 'end', '']);
    expect((await openSse(api, at(run, '?after=last'))).status).toBe(204);
  });

  test('have a head without a stream behind it', async () => {
    const run = await startedRun(api);
    const reader = await openSse(api, at(run), { method: 'HEAD' });
    expect(reader.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect([reader.status, await closed(reader)]).toEqual([200, 'end']);
  });

  test('cost nothing any more once the client has gone, and its run goes on', async () => {
    const run = await startedRun(api);
    const reader = await openSse(api, at(run));
    await eventually(() => reader.frames.length === 2);
    expect(api.readers()).toBe(1);
    reader.drop();
    await eventually(() => api.readers() === 0, { what: 'the reader to leave' });
    expect((await api.get(run.id)).status).toBe('running');
  });

  test('are not begun for a client that left while its run was looked up', async () => {
    const run = await startedRun(api);
    const gone = new AbortController();
    let asked: Promise<unknown> | undefined;
    const before = api.connections();
    await api.database.db.transaction(async (tx) => {
      await tx.query('lock table runs in access exclusive mode');
      asked = api
        .request(at(run), { headers: { accept: 'text/event-stream' }, signal: gone.signal })
        .catch((error: Error) => error.name);
      const waiting = "select 1 from pg_locks where not granted and relation = 'runs'::regclass";
      await eventually(async () => (await api.database.db.query(waiting)).length > 0, {
        what: 'the look-up',
      });
      gone.abort();
      await eventually(() => api.connections() <= before, { what: 'the server to hear of it' });
    });
    expect(await asked).toBe('AbortError');
    await api.get(run.id); // answered after the look-up that was waiting
    await eventually(() => api.readers() === 0, { what: 'no reader to be left' });
  });
});

describe('numbers that are no longer there', () => {
  test('are told as one gap on every wire', async () => {
    const run = await startedRun(api);
    await api.append(run.id, facts(1, 10));
    await complete(api, run.id);
    await forget(api, run.id, [4, 5, 6, 9]);
    const gaps = [
      { from: 4, to: 6, reason: 'folded' },
      { from: 9, to: 9, reason: 'folded' },
    ];
    const left = [1, 2, 3, 7, 8, 10, 11, 12, 13];

    const all = await page(run.id);
    expect([seqs(all), all.gaps]).toEqual([left, gaps]);
    expect((await page(run.id, '?after=5')).gaps).toEqual([{ from: 6, to: 6, reason: 'folded' }, gaps[1]]);
    expect((await page(run.id, '?after=3&limit=1')).gaps).toEqual([gaps[0]]);

    const sse = await openSse(api, at(run));
    await closed(sse);
    const told = sse.frames.filter(({ event }) => event === 'stream.gap');
    expect(told).toEqual(
      gaps.map((gap) => ({ id: String(gap.to), event: 'stream.gap', data: JSON.stringify(gap) })),
    );
    expect(sse.frames.map(({ id }) => Number(id)).slice(0, -1)).toEqual([
      1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13,
    ]);

    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await ws.closed();
    expect(ws.frames().filter(({ type }) => type === 'gap')).toEqual(
      gaps.map((gap) => ({ type: 'gap', sub: 'run', ...gap })),
    );
    expect(
      ws
        .frames()
        .map(({ type }) => type)
        .slice(2, 6),
    ).toEqual(['event', 'event', 'event', 'gap']);
  });

  test('because retention removed them are refused with the first that is kept', async () => {
    const run = await startedRun(api);
    await api.append(run.id, facts(1, 3));
    await complete(api, run.id);
    await forget(api, run.id, [1, 2, 3], 4);
    for (const headers of [{}, { accept: 'text/event-stream' }]) {
      const reply = await api.request(at(run, '?after=2'), { headers });
      expect((await problemIn(reply, 'events_expired')).first_available_seq).toBe(4);
    }
    expect(await page(run.id, '?after=3')).toMatchObject({
      data: [{ seq: 4 }, { seq: 5 }, { seq: 6 }],
      gaps: [],
    });

    const ws = await openWs(api, `/ws/runs/${run.id}?after=2`);
    expect(await ws.closed()).toEqual([4400, 'events_expired']);
    expect(ws.frames()).toMatchObject([{ type: 'error', code: 'events_expired', first_available_seq: 4 }]);
  });
});
