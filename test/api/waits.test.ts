import type { Run } from '../../src/contracts/run';
import { startApiServer, type ApiServer, type RequestOptions } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterEach(() => expect(api.readers()).toBe(0));
afterAll(() => api.stop());

/** A request that is on its way, and whether its reply has come. */
function asked(path: string, options: RequestOptions) {
  let answered = false;
  const reply = api.request(path, options).finally(() => (answered = true));
  reply.catch(() => undefined); // one that is broken off on purpose
  return { reply, answered: () => answered };
}
const get = (id: string, headers: Record<string, string>) => asked(`/v1/runs/${id}`, { headers });
const waiting = () => eventually(() => api.readers() === 1, { what: 'a reader in the hub' });
const left = () => eventually(() => api.readers() === 0, { what: 'the reader to leave the hub' });
const granted = (reply: Response) => reply.headers.get('preference-applied');

describe('Prefer: wait, of a run', () => {
  test('answers once the run has ended, not before', async () => {
    const { id } = await startedRun(api);
    const { reply, answered } = get(id, { prefer: 'wait=60' });
    await waiting();
    await api.append(id, facts(1, 3));
    expect(await eventually(async () => (await api.get(id)).last_seq === 5)).toBe(true);
    expect(answered()).toBe(false);
    await complete(api, id);
    const run = (await (await reply).json()) as Run;
    expect([run.status, run.answer, granted(await reply)]).toEqual(['completed', '4', 'wait=60']);
    expect((await reply).headers.get('etag')).toMatch(/^"\d+"$/);
  });

  test('answers at once when the run has ended already', async () => {
    const { id } = await startedRun(api);
    await complete(api, id);
    expect(((await (await get(id, { prefer: 'wait=60' }).reply).json()) as Run).status).toBe('completed');
  });

  test('answers with the run as it is when the time is over', async () => {
    const { id } = await startedRun(api);
    const reply = await get(id, { prefer: 'wait=1' }).reply;
    expect([reply.status, granted(reply), ((await reply.json()) as Run).status]).toEqual([
      200,
      'wait=1',
      'running',
    ]);
    expect(granted(await get(id, { prefer: 'wait=0' }).reply)).toBe('wait=0');
  });

  test.each([
    ['wait=99999', 'wait=60'],
    ['wait=999999', 'wait=60'],
    ['respond-async, wait=5', 'wait=5'],
    ['WAIT = "7" ; x=1', 'wait=7'],
    ['wait=3, wait=9', 'wait=3'],
  ])('%s is granted as %s', async (prefer, grant) => {
    const { id } = await startedRun(api);
    const { reply } = get(id, { prefer });
    await waiting();
    await complete(api, id);
    expect(granted(await reply)).toBe(grant);
  });

  test.each([
    'wait',
    'wait=',
    'wait=-1',
    'wait=1.5',
    'wait=soon',
    'wait=1000000',
    'waiter=5',
    'await=5',
    'x; wait',
    '',
  ])('%p is passed over: the reply comes at once', async (prefer) => {
    const { id } = await startedRun(api);
    const reply = await get(id, { prefer }).reply;
    expect([reply.status, granted(reply)]).toEqual([200, null]);
  });

  test('leaves the hub when its client has gone, and the run goes on', async () => {
    const { id } = await startedRun(api);
    const gone = new AbortController();
    const { reply } = asked(`/v1/runs/${id}`, { headers: { prefer: 'wait=60' }, signal: gone.signal });
    await waiting();
    gone.abort();
    await expect(reply).rejects.toThrow();
    await left();
    expect((await api.get(id)).status).toBe('running');
  });

  test('holds fifty clients at once and answers them all', async () => {
    const { id } = await startedRun(api);
    const all = Array.from({ length: 50 }, () => get(id, { prefer: 'wait=60' }).reply);
    await eventually(() => api.readers() === 50, { what: 'fifty readers' });
    await complete(api, id);
    const replies = await Promise.all(all);
    const runs = (await Promise.all(replies.map((reply) => reply.json()))) as Run[];
    expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['completed']));
  });
});

describe('Prefer: wait, with a tag', () => {
  const tagOf = async (id: string) => (await api.request(`/v1/runs/${id}`)).headers.get('etag')!;

  test('answers with any news, and with 304 when there are none in time', async () => {
    const { id } = await startedRun(api);
    const etag = await tagOf(id);
    const { reply, answered } = get(id, { prefer: 'wait=60', 'if-none-match': etag });
    await waiting();
    expect(answered()).toBe(false);
    await api.append(id, facts(1, 1));
    const news = await reply;
    expect([news.status, ((await news.json()) as Run).last_seq]).toEqual([200, 3]);
    const none = await get(id, { prefer: 'wait=1', 'if-none-match': news.headers.get('etag')! }).reply;
    expect([none.status, granted(none), none.headers.get('etag')]).toEqual([
      304,
      'wait=1',
      news.headers.get('etag'),
    ]);
  });

  test('answers at once when something is new already', async () => {
    const { id } = await startedRun(api);
    const etag = await tagOf(id);
    await api.append(id, facts(1, 1));
    expect((await get(id, { prefer: 'wait=60', 'if-none-match': etag }).reply).status).toBe(200);
  });

  test('answers at once when the run is over', async () => {
    const { id } = await startedRun(api);
    await complete(api, id);
    expect((await get(id, { prefer: 'wait=60', 'if-none-match': await tagOf(id) }).reply).status).toBe(304);
  });
});

describe('Prefer: wait, of a submit', () => {
  const submit = (headers: Record<string, string>, more: RequestOptions = {}) =>
    asked('/v1/runs', { body: { goal: '2 + 2' }, headers, ...more });
  const newest = async () =>
    ((await (await api.request('/v1/runs?limit=1')).json()) as { data: [Run] }).data[0].id;

  test('answers 200 with the ended run, and says where it is', async () => {
    const { reply } = submit({ prefer: 'wait=60' });
    await waiting();
    const id = await newest();
    await complete(api, id);
    const { status, headers } = await reply;
    expect([status, granted(await reply), headers.get('retry-after')]).toEqual([200, 'wait=60', null]);
    expect(headers.get('location')).toBe(`http://longhaul.test/v1/runs/${id}`);
    expect((await (await reply).json()) as Run).toMatchObject({ id, status: 'completed', answer: '4' });
  });

  test('answers 202 when the run goes on after that time', async () => {
    const reply = await submit({ prefer: 'wait=1' }).reply;
    expect([reply.status, granted(reply), reply.headers.get('retry-after')]).toEqual([202, 'wait=1', '1']);
    expect(((await reply.json()) as Run).status).toBe('queued');
  });

  test('waits again for the run of an earlier request with the same key', async () => {
    const headers = { 'idempotency-key': 'patient', prefer: 'wait=60' };
    const gone = new AbortController();
    const first = submit(headers, { signal: gone.signal });
    await waiting();
    gone.abort();
    await expect(first.reply).rejects.toThrow();
    await left();
    const second = submit(headers);
    await waiting();
    await complete(api, await newest());
    const reply = await second.reply;
    expect([reply.status, reply.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
  });
});
