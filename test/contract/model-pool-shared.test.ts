import type { Refusal } from '../../src/contracts/refusal';
import { openDatabase } from '../../src/db/database';
import { createEndpointStates } from '../../src/llm/endpoint-states';
import { Interrupted } from '../../src/contracts/interrupted';
import { createModelPool, LEASE_MS } from '../../src/llm/model-pool';
import { eventually } from '../support/eventually';
import { ask, failing, held, poolWorkers, refused, standing, times } from '../support/model-pools';
import { scriptedEndpoint } from '../support/scripted-endpoint';
import { startTcpProxy } from '../support/tcp-proxy';

const workers = poolWorkers();
const { pooled, worker } = workers;

describe('the breaker that all workers share', () => {
  /** Two workers whose endpoint has just failed five times, by turns. */
  async function opened(answers: Parameters<typeof scriptedEndpoint>[1]) {
    const failures = times(5, () => failing('model_overloaded'));
    const endpoint = scriptedEndpoint('one', [...failures, ...answers!]);
    const pools = workers.two([pooled('small', endpoint)]);
    for (let call = 0; call < 5; call += 1) await refused(ask(pools[call % 2]!));
    return { endpoint, pools };
  }

  test('opens for all of them after five failures in a row, and says until when', async () => {
    const { endpoint, pools } = await opened([]);
    workers.now += 20_000;
    for (const pool of pools) {
      const { code, message, more } = await refused(ask(pool));
      expect([code, more]).toEqual(['provider_unavailable', { retry_after_ms: 40_000 }]);
      expect(message).toContain(`one is left alone until ${new Date(workers.now + 40_000).toISOString()}`);
      expect(await standing(pool)).toEqual({ one: ['open', 0] });
    }
    expect(endpoint.requests).toHaveLength(5);
  });

  test('does not open where an answer came between the failures', async () => {
    const failures = times(4, () => failing('model_timeout'));
    const endpoint = scriptedEndpoint('one', [...failures, 'hello', ...failures, 'again']);
    const pool = worker([pooled('small', endpoint)]);
    for (const text of ['hello', 'again']) {
      for (let call = 0; call < 4; call += 1) await refused(ask(pool));
      expect(await ask(pool)).toBe(text);
    }
  });

  test('is kept when every worker starts anew', async () => {
    await opened([]);
    const pool = worker([pooled('small', scriptedEndpoint('one'))]);
    expect((await refused(ask(pool))).code).toBe('provider_unavailable');
  });

  test('lets one probe through after a minute, of twenty calls of two workers at once', async () => {
    const probe = held();
    const { pools } = await opened([probe.answer]);
    workers.now += 59_999;
    await refused(ask(pools[0]));
    workers.now += 1;
    expect(await standing(pools[1])).toEqual({ one: ['half_open', 0] });
    const heard: string[] = [];
    const hear = (said: string) => void heard.push(said);
    const asked = times(20, (at) => ask(pools[at % 2]!).then(hear, (error: Refusal) => hear(error.code)));
    await eventually(() => heard.length === 19);
    expect(new Set(heard)).toEqual(new Set(['provider_unavailable']));
    probe.give('back');
    await Promise.all(asked);
    expect(heard.at(-1)).toBe('back');
    expect(await standing(pools[0])).toEqual({ one: ['closed', 0] });
  });

  test('opens for another minute when the probe fails', async () => {
    const { pools } = await opened([failing('model_unreachable'), 'back']);
    workers.now += 60_000;
    expect((await refused(ask(pools[0]))).code).toBe('model_unreachable');
    workers.now += 59_999;
    expect((await refused(ask(pools[1]))).code).toBe('provider_unavailable');
    workers.now += 1;
    expect(await ask(pools[1])).toBe('back');
  });

  test('lets another probe through when the first was stopped by its caller', async () => {
    const { endpoint, pools } = await opened([held().answer, 'back']);
    workers.now += 60_000;
    const caller = new AbortController();
    const stopped = expect(ask(pools[0], { signal: caller.signal })).rejects.toThrow(Interrupted);
    await eventually(() => endpoint.requests.length === 6);
    caller.abort();
    await stopped;
    expect(await standing(pools[1])).toEqual({ one: ['half_open', 0] });
    expect(await ask(pools[1])).toBe('back');
  });

  test('takes a probe for lost whose worker was killed', async () => {
    const lost = held();
    const { endpoint, pools } = await opened([lost.answer, 'back']);
    workers.now += 60_000;
    const hanging = ask(pools[0]);
    await eventually(() => endpoint.requests.length === 6);
    workers.now += LEASE_MS - 1;
    expect((await refused(ask(pools[1]))).code).toBe('provider_unavailable');
    workers.now += 1;
    expect(await ask(pools[1])).toBe('back');
    lost.give('too late, and no harm');
    await hanging;
  });

  test('counts answers as failures that took nearly as long as they may', async () => {
    const slowly = (ms: number) => () => Promise.resolve(void (workers.now += ms)).then(() => 'slow');
    const pool = worker([
      pooled(
        'small',
        scriptedEndpoint(
          'in time',
          times(6, () => slowly(45_000)),
        ),
      ),
      pooled(
        'medium',
        scriptedEndpoint(
          'slow',
          times(5, () => slowly(45_001)),
        ),
      ),
    ]);
    for (let call = 0; call < 6; call += 1) expect(await ask(pool)).toBe('slow');
    for (let call = 0; call < 5; call += 1) expect(await ask(pool, { tier: 'medium' })).toBe('slow');
    expect(await standing(pool)).toEqual({ 'in time': ['closed', 0], slow: ['open', 0] });
  });

  test('leaves the others to be asked', async () => {
    const { pools } = await opened([]);
    expect((await refused(ask(pools[0]))).code).toBe('provider_unavailable');
    const both = worker([
      pooled('small', scriptedEndpoint('one')),
      pooled('large', scriptedEndpoint('large', ['large'])),
    ]);
    expect(await ask(both)).toBe('large');
  });
});

describe('the limits that all workers share', () => {
  test('are waited for in one worker: nobody is refused, and never are more than three under way', async () => {
    const answers = times(20, held);
    const endpoint = scriptedEndpoint(
      'one',
      answers.map(({ answer }) => answer),
    );
    const pool = worker([pooled('small', endpoint, { max_parallel: 3 })]);
    let made = 0;
    const asked = times(20, () => ask(pool).then(() => (made += 1)));
    for (const [index, { give }] of answers.entries()) {
      await eventually(() => endpoint.requests.length === Math.min(20, index + 3));
      expect(endpoint.requests.length - made).toBeLessThanOrEqual(3);
      give('made');
      await eventually(() => made === index + 1);
    }
    await Promise.all(asked);
  });

  test('hold for calls at once: of the calls of twenty workers three are made', async () => {
    const answers = times(3, held);
    const endpoint = scriptedEndpoint('one', [...answers.map(({ answer }) => answer), 'after']);
    const limits = { max_parallel: 3 };
    const pools = times(20, () => worker([pooled('small', endpoint, limits)]));
    const heard: string[] = [];
    const hear = (said: string) => void heard.push(said);
    const asked = pools.map((pool) => ask(pool).then(hear, (error: Refusal) => hear(error.code)));
    // Those that may not be made hear so at once: nobody waits for a slot that will be free.
    await eventually(() => heard.length === 17 && endpoint.requests.length === 3);
    expect(new Set(heard)).toEqual(new Set(['model_rate_limited']));
    const refusal = await refused(ask(worker([pooled('small', endpoint, limits)])));
    expect(refusal.more).toEqual({ retry_after_ms: 1_000 });
    expect(refusal.message).toContain('one has as many calls under way as it may have');
    answers.forEach(({ give }) => give('made'));
    await Promise.all(asked);
    expect(heard.slice(17)).toEqual(['made', 'made', 'made']);
    expect(await ask(pools[1]!)).toBe('after');
  });

  test('hold for calls a minute', async () => {
    const endpoint = scriptedEndpoint(
      'one',
      times(4, () => 'made'),
    );
    const limits = { per_minute: 3 };
    const pools = workers.two([pooled('small', endpoint, limits)]);
    const outcomes = await Promise.all(
      times(10, (at) => ask(pools[at % 2]!).catch((error: Refusal) => error.code)),
    );
    expect(outcomes.filter((outcome) => outcome === 'made')).toHaveLength(3);
    expect(outcomes.filter((outcome) => outcome === 'model_rate_limited')).toHaveLength(7);
    workers.now += 59_999;
    const refusal = await refused(ask(pools[0]));
    expect([refusal.code, refusal.more]).toEqual(['model_rate_limited', { retry_after_ms: 1 }]);
    workers.now += 1;
    expect(await ask(pools[0])).toBe('made');
  });

  test('lead to the next endpoint, and are worth waiting for where the others are left alone', async () => {
    const failures = times(5, () => failing('model_overloaded'));
    const pool = worker([
      pooled('small', scriptedEndpoint('down', failures)),
      pooled('medium', scriptedEndpoint('full', ['one', 'two']), { per_minute: 2 }),
      pooled(
        'large',
        scriptedEndpoint(
          'large',
          times(3, () => 'large'),
        ),
      ),
    ]);
    for (const text of ['one', 'two', 'large', 'large', 'large']) expect(await ask(pool)).toBe(text);
    // Another worker has the only slot.
    const out = held();
    const limits = { max_parallel: 1, timeout_s: 300 };
    const full = scriptedEndpoint('full', [out.answer]);
    const other = ask(worker([pooled('medium', full, limits)], workers.database.db, 300_000));
    await eventually(() => full.requests.length === 1);
    const without_large = worker([
      pooled('small', scriptedEndpoint('down')),
      pooled('medium', scriptedEndpoint('full'), limits),
    ]);
    for (const [later_ms, retry_after_ms] of [
      [30_000, 1_000], // a slot may be free sooner
      [29_500, 500], // the one that is left alone may be asked sooner
    ] as const) {
      workers.now += later_ms;
      const { code, more } = await refused(ask(without_large));
      expect([code, more]).toEqual(['model_rate_limited', { retry_after_ms }]);
    }
    out.give('done');
    await other;
  });

  test('free the slot of a killed worker when its lease ends, and not before', async () => {
    const lost = held();
    const endpoint = scriptedEndpoint('one', [lost.answer, 'free']);
    const pools = workers.two([pooled('small', endpoint, { max_parallel: 1 })]);
    const hanging = ask(pools[0]);
    await eventually(() => endpoint.requests.length === 1);
    workers.now += LEASE_MS - 1;
    expect((await refused(ask(pools[1]))).code).toBe('model_rate_limited');
    workers.now += 1;
    expect(await ask(pools[1])).toBe('free');
    lost.give('late');
    await hanging;
  });

  test('keep the slot of a call that takes longer than its lease', async () => {
    const [slow, lease_ms] = [held(), 90];
    const endpoint = scriptedEndpoint('one', [slow.answer, 'free']);
    const endpoints = [pooled('small', endpoint, { max_parallel: 1 })];
    const pool = worker(endpoints, workers.database.db, lease_ms);
    const other = worker(endpoints);
    const asked = ask(pool);
    await eventually(() => endpoint.requests.length === 1);
    for (let leases = 0; leases < 3; leases += 1) {
      workers.now += lease_ms - 1;
      const until = workers.now + lease_ms;
      await eventually(
        async () => {
          const [row] = await workers.database.db.query<{ calls: object }>(
            'select calls from model_endpoints where key = $1',
            [endpoints[0]!.key],
          );
          return Object.values(row!.calls)[0] === until;
        },
        { what: 'the lease to be renewed' },
      );
      expect((await refused(ask(other))).code).toBe('model_rate_limited');
    }
    slow.give('late');
    expect(await asked).toBe('late');
    expect(await ask(pool)).toBe('free');
  });

  test('free the slot of a call that its caller stopped', async () => {
    const endpoint = scriptedEndpoint('one', [held().answer, 'free']);
    const pool = worker([
      pooled('small', endpoint, { max_parallel: 1 }),
      pooled('small', scriptedEndpoint('two')),
    ]);
    const caller = new AbortController();
    const stopped = expect(ask(pool, { signal: caller.signal })).rejects.toThrow(Interrupted);
    await eventually(() => endpoint.requests.length === 1);
    caller.abort();
    await stopped;
    expect(await ask(pool)).toBe('free');
  });

  test('are not touched by a call that was stopped before it began', async () => {
    const pool = worker([pooled('small', scriptedEndpoint('one'))]);
    const uncalled = jest.fn(() => Promise.resolve());
    await expect(ask(pool, { signal: AbortSignal.abort(), before: uncalled })).rejects.toThrow(Interrupted);
    expect(uncalled).not.toHaveBeenCalled();
    const during = new AbortController();
    const before = () => Promise.resolve(during.abort());
    await expect(ask(pool, { signal: during.signal, before })).rejects.toThrow(Interrupted);
  });

  test('go by the clock of the database where no other is given', async () => {
    const states = createEndpointStates({ db: workers.database.db });
    const endpoints = [pooled('small', scriptedEndpoint('one', ['hello']), { per_minute: 1 })];
    const pool = createModelPool({ endpoints, states });
    expect(await ask(pool)).toBe('hello');
    const { code, more } = await refused(ask(pool));
    expect(code).toBe('model_rate_limited');
    expect(more.retry_after_ms).toBeGreaterThan(0);
    expect(more.retry_after_ms).toBeLessThanOrEqual(60_000);
  });
});

describe('while Postgres is away', () => {
  test('no call is made; a reply that was bought before is given, and its slot is free in time', async () => {
    const { hostname, port } = new URL(workers.database.url);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    const url = new URL(workers.database.url);
    url.hostname = '127.0.0.1';
    url.port = String(proxy.port);
    const db = openDatabase({ url: url.href, pool: 2, name: 'a worker that is cut off' });
    try {
      const cutting = () => Promise.resolve(proxy.cut()).then(() => 'paid for');
      const endpoint = scriptedEndpoint('one', [cutting, 'free']);
      const limits = { max_parallel: 1 };
      const pool = worker([pooled('small', endpoint, limits)], db);
      expect(await ask(pool)).toBe('paid for');
      const before = jest.fn(() => Promise.resolve());
      await expect(ask(pool, { before })).rejects.toThrow('Postgres cannot be reached');
      await expect(pool.states()).rejects.toThrow('Postgres cannot be reached');
      expect(before).not.toHaveBeenCalled();
      proxy.heal();
      expect((await refused(ask(pool))).code).toBe('model_rate_limited');
      workers.now += 70_000;
      expect(await ask(pool)).toBe('free');
    } finally {
      await db.close();
      await proxy.stop();
    }
  });
});
