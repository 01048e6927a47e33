import type { RateLimit } from '../../src/contracts/rate-limit';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { passTime } from '../support/pass-time';
import { problemIn } from '../support/problem';
import { openWs } from '../support/stream-readers';

let api: ApiServer;
/** A second process over the same database. */
let other: ApiServer;
const refused: RateLimit[] = [];
beforeAll(async () => {
  const settings = { quotas: { submits: 10, writes: 6, reads: 40, streams: 3 } };
  api = await startApiServer({ settings });
  other = await startApiServer({ settings, database: api.database });
  for (const { deps } of [api, other]) deps.onRefused = (limit) => void refused.push(limit);
});
afterAll(async () => {
  await other.stop();
  await api.stop();
});

/** A key that has made no request yet. */
const key = async (limits = {}) => {
  const scopes = ['runs:read', 'runs:write', 'admin'] as const;
  const { id, secret } = await createApiKey(api.database.db, 'tenant_own', 'fresh', { scopes, limits });
  return { id, headers: { authorization: `Bearer ${secret}` } };
};
type Headers = Record<string, string>;
const submit = (headers: Headers, server = api, body: unknown = { goal: '2 + 2' }) =>
  server.request('/v1/runs', { body, headers });
const read = (headers: Headers, server = api) => server.request('/v1/api-keys', { headers });
const write = (headers: Headers) => api.request('/v1/runs/x/cancel', { method: 'POST', headers });
const limitsOf = ({ headers }: Response) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];
/** Ends the minute of a key, as time does, also where it is remembered. */
const nextMinute = async (id: string) => {
  await api.database.db.query('delete from rate_windows where key_id = $1', [id]);
};

test('of fifty submits at once to two processes exactly ten are taken', async () => {
  const { headers } = await key();
  const replies = await Promise.all(
    Array.from({ length: 50 }, (_, i) => submit(headers, i % 2 === 0 ? api : other)),
  );
  expect(replies.filter(({ status }) => status === 202)).toHaveLength(10);
  const over = replies.filter(({ status }) => status === 429);
  expect(over).toHaveLength(40);
  const left = replies.map((reply) => Number(/r=(\d+)/.exec(reply.headers.get('ratelimit')!)![1]));
  expect(left.sort((a, b) => b - a).slice(0, 10)).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

describe('a limit', () => {
  test('is told in every reply that counts, also in those that fail', async () => {
    const { headers } = await key();
    expect(limitsOf(await submit(headers))).toEqual([
      '"submits";q=10;w=60',
      expect.stringMatching(/^"submits";r=9;t=([1-9]|[1-5]\d|60)$/),
    ]);
    const wrong = await submit(headers, api, { no: 'goal' });
    expect(wrong.status).toBe(400);
    expect(limitsOf(wrong)[1]).toMatch(/^"submits";r=8;t=\d+$/);
    expect(limitsOf(await write(headers))).toEqual([
      '"writes";q=6;w=60',
      expect.stringMatching(/^"writes";r=5;t=\d+$/),
    ]);
    expect(limitsOf(await read(headers))).toEqual([
      '"reads";q=40;w=60',
      expect.stringMatching(/^"reads";r=39;t=\d+$/),
    ]);
    expect(limitsOf(await api.request('/healthz'))).toEqual([null, null]);
  });

  test('that is used up refuses with the time to wait, before the body is read, and changes nothing', async () => {
    const { headers } = await key({ submits: 1 });
    expect((await submit(headers)).status).toBe(202);
    refused.length = 0;
    for (const server of [api, other, api]) {
      const taken = await server.taken();
      const reply = await submit(headers, server, 'no JSON at all');
      const wait = Number(reply.headers.get('retry-after'));
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(60);
      expect(limitsOf(reply)).toEqual(['"submits";q=1;w=60', `"submits";r=0;t=${wait}`]);
      const problem = await problemIn(reply, 'too_many_requests');
      expect(problem).toMatchObject({ retry_after_s: wait, error: { type: 'rate_limit_error' } });
      expect(await server.taken()).toEqual(taken);
    }
    expect(refused).toEqual(['submits', 'submits', 'submits']);
    // The others go on.
    expect((await read(headers)).status).toBe(200);
    expect((await write(headers)).status).toBe(404);
  });

  test('begins anew after its minute, by the clock of the database', async () => {
    const { id, headers } = await key({ submits: 2 });
    expect((await submit(headers)).status).toBe(202);
    const endIn = (seconds: number) =>
      api.database.db.query(
        "update rate_windows set ends_at = clock_timestamp() + $2 * interval '1 second' where key_id = $1",
        [id, seconds],
      );
    await endIn(30);
    expect((await submit(headers)).status).toBe(202);
    expect((await submit(headers)).status).toBe(429);
    await endIn(0);
    // What the process remembers is over when the database said it would be, not after a minute of its own.
    passTime(30_000);
    expect((await submit(headers)).status).toBe(202);
    expect(limitsOf(await submit(headers))[1]).toMatch(/r=0/);
  });

  test('does not go on for an hour where the clock of the database was set back by one', async () => {
    for (const kind of ['submits', 'reads']) {
      const { id, headers } = await key({ submits: 1, reads: 1 });
      await api.database.db.query(
        `insert into rate_windows (key_id, kind, tenant, used, ends_at) values ($1, $2, 'tenant_own', 1, now() + interval '1 hour')`,
        [id, kind],
      );
      const ask = () => (kind === 'submits' ? submit(headers) : read(headers));
      expect((await ask()).ok).toBe(true);
      const { retry_after_s } = await problemIn(await ask(), 'too_many_requests');
      expect(retry_after_s).toBeLessThanOrEqual(60);
    }
  });

  test('of its own wins over that of the service, for the key alone', async () => {
    const wide = await key({ submits: 12 });
    for (let i = 0; i < 12; i += 1) expect((await submit(wide.headers)).status).toBe(202);
    expect((await submit(wide.headers)).status).toBe(429);
    expect((await submit((await key()).headers)).status).toBe(202);
  });

  test('stays with the key when its secret is rotated', async () => {
    const { id, headers } = await key({ submits: 1 });
    expect((await submit(headers)).status).toBe(202);
    const rotated = await api.request(`/v1/api-keys/${id}/rotate`, { method: 'POST', headers });
    const { secret } = (await rotated.json()) as { secret: string };
    expect((await submit({ authorization: `Bearer ${secret}` })).status).toBe(429);
  });

  test('costs a client that goes on asking no write', async () => {
    const { id, headers } = await key({ submits: 1 });
    for (let i = 0; i < 20; i += 1) await submit(headers);
    const rows = await api.database.db.query('select used::int from rate_windows where key_id = $1', [id]);
    expect(rows).toEqual([{ used: 1 }]);
  });

  test('does not lose a submit: repeated after the wait it is taken once', async () => {
    const { id, headers } = await key({ submits: 1 });
    const named = { ...headers, 'idempotency-key': `key-${id}` };
    const first = (await (await submit(named)).json()) as { id: string };
    await problemIn(await submit(named), 'too_many_requests');
    await nextMinute(id);
    // A process that remembers nothing of the minute, as all do when it is over.
    const again = await submit(named, other);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(((await again.json()) as { id: string }).id).toBe(first.id);
  });
});

describe('reads and streams', () => {
  test('are never more than the limit over two processes, and one alone gets all of it', async () => {
    const { headers } = await key();
    const replies = await Promise.all(
      Array.from({ length: 120 }, (_, i) => read(headers, i % 2 === 0 ? api : other)),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(40);
    const alone = await key();
    const all = await Promise.all(Array.from({ length: 41 }, () => read(alone.headers)));
    expect(all.filter(({ status }) => status === 200)).toHaveLength(40);
  });

  test('cost one write for a twentieth of the limit', async () => {
    const { id, headers } = await key({ reads: 200 });
    const used = async () => {
      const rows = await api.database.db.query<{ used: number }>(
        'select used::int from rate_windows where key_id = $1',
        [id],
      );
      return rows[0]?.used;
    };
    await Promise.all(Array.from({ length: 10 }, () => read(headers)));
    expect(await used()).toBe(10);
    await read(headers);
    expect(await used()).toBe(20);
  });

  test('are counted apart, over SSE and WebSocket alike', async () => {
    const { headers } = await key();
    const sse = { ...headers, accept: 'text/event-stream' };
    const { id } = await api.submit();
    await api.append(id, [{ key: 'ended', type: 'run.completed', data: { answer: '4' } }], {
      status: 'completed',
    });
    const open = () => api.request(`/v1/runs/${id}/events`, { headers: sse });
    const first = await open();
    expect(limitsOf(first)).toEqual(['"streams";q=3;w=60', expect.stringMatching(/^"streams";r=2;/)]);
    await first.text();
    const socket = async () => {
      const { closed } = await openWs(api, `/ws/runs/${id}`, { key: headers.authorization.slice(7) });
      return (await closed())[0];
    };
    expect(await socket()).toBe(1000);
    await (await open()).text();
    await problemIn(await open(), 'too_many_requests');
    expect(await socket()).toBe(4429);
    expect((await api.request(`/v1/runs/${id}/events`, { headers })).status).toBe(200);
  });
});
