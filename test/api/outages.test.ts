import type { Run } from '../../src/contracts/run';
import { startApiServer, type ApiServer } from '../support/api-server';
import { servers } from '../support/database';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { openSse, openWs } from '../support/stream-readers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

let postgres: TcpProxy;
let api: ApiServer;
beforeAll(async () => {
  const { hostname, port } = new URL(servers().template_url);
  postgres = await startTcpProxy({ host: hostname, port: Number(port) });
  const viaUrl = (url: string) => Object.assign(new URL(url), { port: String(postgres.port) }).href;
  api = await startApiServer({ viaUrl });
});
afterEach(async () => {
  postgres.heal();
  await eventually(async () => (await api.request('/readyz')).status === 200, {
    what: 'the API to be ready again',
  });
});
afterAll(async () => {
  await api.stop();
  await postgres.stop();
});

const readyz = async () => {
  const reply = await api.request('/readyz');
  return { status: reply.status, body: await reply.json() };
};

describe('API without Postgres', () => {
  test('says 503 and when to try again on every route, lives on, and serves again by itself', async () => {
    const { id } = await api.submit();
    postgres.cut();
    const sse = { accept: 'text/event-stream' };
    for (const reply of await Promise.all([
      api.request('/v1/runs', { body: { goal: '2 + 2' } }),
      api.request(`/v1/runs/${id}`),
      api.request(`/v1/runs/${id}/events`),
      api.request(`/v1/runs/${id}/events`, { headers: sse }),
      api.request(`/v1/runs/${id}/cancel`, { method: 'POST' }),
    ])) {
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await problemIn(reply, 'unavailable')).toMatchObject({
        retryable: true,
        error: { type: 'api_error' },
      });
    }
    expect((await api.request('/healthz')).status).toBe(200);
    expect(await readyz()).toEqual({
      status: 503,
      body: { status: 'unavailable', checks: { postgres: 'unreachable', temporal: 'ok' } },
    });
    postgres.heal();
    await eventually(async () => (await readyz()).status === 200, { what: 'ready again' });
    expect((await api.get(id)).status).toBe('queued');
  });

  test('closes a WebSocket with 4503, to be tried again', async () => {
    const { id } = await api.submit();
    postgres.cut();
    const ws = await openWs(api, `/ws/runs/${id}`);
    expect(await ws.closed()).toEqual([4503, 'unavailable']);
    expect(ws.frames()).toMatchObject([{ type: 'error', code: 'unavailable', retryable: true }]);
  });

  test('loses no event of a reader that stays', async () => {
    const run = await startedRun(api);
    const sse = await openSse(api, `/v1/runs/${run.id}/events`);
    const ws = await openWs(api, `/ws/runs/${run.id}`);
    await eventually(() => sse.frames.length === 2 && ws.events().length === 2);
    postgres.cut();
    await api.append(run.id, facts(1, 700));
    postgres.heal();
    const last = await complete(api, run.id);
    await eventually(() => sse.ending() === 'end' && ws.frames().at(-1)?.type === 'end', {
      what: 'both ends',
    });
    const all = Array.from({ length: last }, (_, i) => i + 1);
    expect(sse.frames.slice(0, -1).map(({ id }) => Number(id))).toEqual(all);
    expect(ws.events().map((text) => (JSON.parse(text) as { seq: number }).seq)).toEqual(all);
  });

  test('cut off in the middle of many submits makes one run for each key, however often they are repeated', async () => {
    const submit = (key: number) =>
      api.request('/v1/runs', { body: { goal: 'once' }, headers: { 'idempotency-key': `outage-${key}` } });
    const keys = Array.from({ length: 60 }, (_, i) => i);
    const before = await submit(0);
    const taken = async () => (await api.taken()).filter(({ goal }) => goal === 'once').length;
    const during = Promise.all(keys.slice(1, -1).map(submit));
    await eventually(async () => (await taken()) > 1, { what: 'the first of those at once' });
    postgres.cut();
    const after = await submit(keys.at(-1)!);
    expect([before.status, after.status]).toEqual([202, 503]);
    // How many were made before the cut is a matter of luck, but each reply says truly what came of it, or that nobody knows.
    for (const { status } of await during) expect([202, 503]).toContain(status);
    postgres.heal();
    const ids = await eventually(async () => {
      const replies = await Promise.all(keys.map(submit));
      if (replies.some(({ status }) => status !== 202)) return undefined;
      return Promise.all(replies.map(async (reply) => ((await reply.json()) as Run).id));
    });
    const runs = await api.database.db.query<{ id: string }>("select id from runs where goal = 'once'");
    expect(runs.map(({ id }) => id).sort()).toEqual([...ids].sort());
  });
});

describe('API without Temporal', () => {
  test('is ready, and says that it is degraded', async () => {
    api.workflows.away = true;
    try {
      const body = { status: 'degraded', checks: { postgres: 'ok', temporal: 'unreachable' } };
      expect(await readyz()).toEqual({ status: 200, body });
    } finally {
      api.workflows.away = false;
    }
    expect((await readyz()).body).toMatchObject({ status: 'ok' });
  });
});

test('An API that hears nothing of its models says how everything else stands', async () => {
  const { checks } = api.deps;
  const { models } = checks;
  checks.models = () => new Promise(() => undefined);
  try {
    expect(await readyz()).toMatchObject({ status: 200, body: { status: 'ok' } });
  } finally {
    checks.models = models;
  }
});
