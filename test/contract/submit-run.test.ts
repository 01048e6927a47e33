import type { SubmitRun } from '../../src/contracts/run';
import { submitRun } from '../../src/runs/submit';
import type { Tx } from '../../src/db/tx';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { RULES, typesOf } from '../support/runs';

describe('submitting a run', () => {
  let test_db: TestDatabase;
  let tenants = 0;
  /** Each test has a tenant of its own. */
  let tenant: string;
  beforeAll(async () => void (test_db = await createTestDatabase()));
  afterAll(() => test_db.drop());
  beforeEach(() => void (tenant = `tenant_${(tenants += 1)}`));

  const submit = async (body: SubmitRun, key: string | null = null, of: { tenant?: string } = {}) => {
    const ids = { request_id: 'req_1', trace_id: null };
    const submission = { tenant, body, idempotency_key: key, ...ids, ...of };
    return submitRun(
      { records: test_db.db, rules: RULES, open_runs: 1_000, forecastAnswer: () => null },
      submission,
    );
  };
  const runsOf = () => test_db.db.query<{ id: string }>('select id from runs where tenant = $1', [tenant]);

  test('commits the run with its first event', async () => {
    const { run, replayed } = await submit({
      goal: 'a goal',
      budget: { max_steps: 3 },
      tags: ['a', 'b'],
    });
    expect(replayed).toBe(false);
    expect(run).toMatchObject({
      tenant,
      status: 'queued',
      goal: 'a goal',
      last_seq: 1,
      attempt: 1,
      tags: ['a', 'b'],
    });
    expect(run.rules).toEqual({ ...RULES, max_steps: 3 });
    expect(await typesOf(test_db.db, run.id)).toEqual(['run.created']);
  });

  test('makes one run of fifty requests with one key', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => submit({ goal: 'once' }, 'key')));
    expect(new Set(all.map(({ run }) => run.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await runsOf()).toHaveLength(1);
    expect(await typesOf(test_db.db, all[0]!.run.id)).toEqual(['run.created']);
  });

  test('makes a run of every request without a key', async () => {
    await Promise.all(Array.from({ length: 10 }, () => submit({ goal: 'again' })));
    expect(await runsOf()).toHaveLength(10);
  });

  test('refuses a key with another body, and makes no run of it', async () => {
    await submit({ goal: 'one', metadata: { a: '1', b: '2' } }, 'key');
    const bodies: SubmitRun[] = [
      { goal: 'two', metadata: { a: '1', b: '2' } },
      { goal: 'one' },
      { goal: 'one', metadata: { a: '1', b: '3' } },
      { goal: 'one', metadata: { a: '1', b: '2' }, tags: [] },
    ];
    for (const body of bodies) {
      await expect(submit(body, 'key')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    }
    expect(await runsOf()).toHaveLength(1);
  });

  test('gives its run to a repeated request also where the limits of today would refuse it', async () => {
    const body = { goal: 'one', budget: { max_steps: 8 } };
    const first = await submit(body, 'key');
    const rules = { ...RULES, max_steps: 4 };
    const deps = { records: test_db.db, rules, open_runs: 1_000, forecastAnswer: () => null };
    const repeated = (idempotency_key: string) =>
      submitRun(deps, { tenant, body, idempotency_key, request_id: null, trace_id: null });
    expect(await repeated('key')).toMatchObject({ replayed: true, run: { id: first.run.id } });
    await expect(repeated('new')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('takes the same fields in another order as the same body', async () => {
    const first = await submit({ goal: 'one', metadata: { a: '1', b: '2' } }, 'key');
    const again = await submit({ metadata: { b: '2', a: '1' }, goal: 'one' }, 'key');
    expect(again).toMatchObject({ replayed: true, run: { id: first.run.id } });
  });

  test('refuses all but one of parallel bodies with one key', async () => {
    const settled = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => submit({ goal: `goal ${n}` }, 'key')),
    );
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await runsOf()).toHaveLength(1);
  });

  test('gives a repetition the run as it is now', async () => {
    const { run } = await submit({ goal: 'one' }, 'key');
    await test_db.db.query(`update runs set status = 'completed', answer = '42' where id = $1`, [run.id]);
    expect(await submit({ goal: 'one' }, 'key')).toMatchObject({
      replayed: true,
      run: { status: 'completed', answer: '42' },
    });
  });

  test('takes the key of another tenant as another key', async () => {
    const mine = await submit({ goal: 'one' }, 'key');
    const other = await submit({ goal: 'two' }, 'key', { tenant: `${tenant}_other` });
    expect(other.replayed).toBe(false);
    expect(other.run.id).not.toBe(mine.run.id);
  });

  test('forgets a key after 24 hours, not before', async () => {
    const pass = (hours: number) =>
      test_db.owner.query(
        `update idempotency_keys set created_at = created_at - $2 * interval '1 hour', expires_at = expires_at - $2 * interval '1 hour'
         where tenant = $1`,
        [tenant, hours],
      );
    const first = await submit({ goal: 'one' }, 'key');
    await pass(23.9);
    expect(await submit({ goal: 'one' }, 'key')).toMatchObject({ replayed: true, run: { id: first.run.id } });
    await pass(0.1);
    const second = await submit({ goal: 'two' }, 'key');
    expect(second.replayed).toBe(false);
    // From here on it is the key of the second run, for another 24 hours.
    await pass(23.9);
    expect(await submit({ goal: 'two' }, 'key')).toMatchObject({ run: { id: second.run.id } });
    await expect(submit({ goal: 'one' }, 'key')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
  });

  test('keeps nothing of a request that fails half way, so that its key is free', async () => {
    const taken = await submit({ goal: 'first' });
    const { id } = taken.run;
    await test_db.owner.query(
      'alter table events add constraint refuse check (run_id <= $$' + id + '$$) not valid',
    );
    await expect(submit({ goal: 'one' }, 'key')).rejects.toMatchObject({ code: '23514' });
    await test_db.owner.query('alter table events drop constraint refuse');
    expect(await runsOf()).toHaveLength(1);
    expect(await submit({ goal: 'another' }, 'key')).toMatchObject({ replayed: false });
  });

  test('stores a run in one statement, and a key with it', async () => {
    const query = jest.fn(test_db.db.query.bind(test_db.db)) as typeof test_db.db.query & jest.Mock;
    for (const idempotency_key of [null, 'key']) {
      query.mockClear();
      const submission = {
        tenant,
        body: { goal: 'a' },
        idempotency_key,
        request_id: null,
        trace_id: null,
      };
      await submitRun(
        { records: { query }, rules: RULES, open_runs: 1_000, forecastAnswer: () => null },
        submission,
      );
      expect(query).toHaveBeenCalledTimes(1);
    }
  });

  test('takes the key of a run that is removed in between as a free one', async () => {
    const { run } = await submit({ goal: 'one' }, 'key');
    let removed = false;
    const records: Tx = {
      async query(text, values) {
        const rows = await test_db.db.query(text, values);
        if (!removed && rows.length === 0) {
          removed = true; // the key was taken; before it is looked up it goes with its run
          await test_db.owner.query('delete from idempotency_keys where run_id = $1', [run.id]);
        }
        return rows as never[];
      },
    };
    const submission = {
      tenant,
      body: { goal: 'one' },
      idempotency_key: 'key',
      request_id: null,
      trace_id: null,
    };
    const second = await submitRun(
      { records, rules: RULES, open_runs: 1_000, forecastAnswer: () => null },
      submission,
    );
    expect([removed, second.replayed, second.run.id === run.id]).toEqual([true, false, false]);
  });

  test('refuses a budget above the rules, by name', async () => {
    const body = { goal: 'large', budget: { max_steps: RULES.max_steps + 1 } };
    await expect(submit(body)).rejects.toMatchObject({
      code: 'invalid_request',
      parts: [{ pointer: '/budget/max_steps' }],
    });
    expect(await runsOf()).toEqual([]);
  });

  test('refuses a given plan for whose answer its key never has the money of a day', async () => {
    const forecastAnswer = () => ({ most: () => ({ tokens: 9_000, cost_usd: 0.2 }) });
    const body = { goal: 'given', plan: { steps: [{ id: 'one', tool: 'calculator', input: {} }] } };
    const send = (max_cost_usd: number, more: Partial<SubmitRun> = {}) =>
      submitRun(
        { records: test_db.db, rules: RULES, open_runs: 1_000, forecastAnswer },
        {
          ...{ tenant, idempotency_key: null, request_id: null, trace_id: null },
          day: { key_id: 'key_poor', max_cost_usd },
          body: { ...body, ...more },
        },
      );
    await expect(send(0.1)).rejects.toMatchObject({
      code: 'invalid_request',
      parts: [{ pointer: '', code: 'too_small', detail: expect.stringContaining('a day') as string }],
    });
    expect(await runsOf()).toEqual([]);
    await send(0.2);
    await send(0.1, { mode: 'plan_only' });
    expect(await runsOf()).toHaveLength(2);
  });
});
