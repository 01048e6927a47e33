import type { SubmitRun } from '../../src/contracts/run';
import { submitRun } from '../../src/runs/submit';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows, type FakeWorkflows } from '../support/fakes';
import { RULES, rowOf, typesOf } from '../support/runs';

const HOUR_MS = 3_600_000;

describe('submitting a run', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  let tenants = 0;
  /** Each test has a tenant of its own. */
  let tenant: string;
  const notStarted: string[] = [];
  beforeAll(async () => void (test_db = await createTestDatabase()));
  afterAll(() => test_db.drop());
  beforeEach(() => {
    workflows = fakeWorkflows();
    tenant = `tenant_${(tenants += 1)}`;
    notStarted.length = 0;
  });

  const submit = (body: SubmitRun, key: string | null = null, of: { tenant?: string; now?: Date } = {}) =>
    submitRun(
      {
        records: test_db.db,
        workflows,
        rules: RULES,
        onNotStarted: (run_id) => void notStarted.push(run_id),
      },
      { tenant, body, idempotency_key: key, request_id: 'req_1', trace_id: null, now: new Date(), ...of },
    );
  const runsOf = () => test_db.db.query<{ id: string }>('select id from runs where tenant = $1', [tenant]);

  test('commits the run with its first event, then starts its workflow', async () => {
    const { run, replayed } = await submit({
      goal: 'a goal',
      budget: { max_steps: 3 },
      tags: ['a', 'a', 'b'],
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
    expect(workflows.started).toMatchObject([{ id: run.id, tenant, rules: { max_steps: 3 } }]);
  });

  test('makes one run of fifty requests with one key', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => submit({ goal: 'once' }, 'key')));
    expect(new Set(all.map(({ run }) => run.id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await runsOf()).toHaveLength(1);
    expect(workflows.started).toHaveLength(1);
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
    const now = new Date();
    const later = (hours: number) => ({ now: new Date(now.getTime() + hours * HOUR_MS) });
    const first = await submit({ goal: 'one' }, 'key', { now });
    expect(await submit({ goal: 'one' }, 'key', later(23.9))).toMatchObject({
      replayed: true,
      run: { id: first.run.id },
    });
    const second = await submit({ goal: 'two' }, 'key', later(24));
    expect(second.replayed).toBe(false);
    // From here on it is the key of the second run, for another 24 hours.
    expect(await submit({ goal: 'two' }, 'key', later(47.9))).toMatchObject({ run: { id: second.run.id } });
    await expect(submit({ goal: 'one' }, 'key', later(47.9))).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
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
    expect(workflows.started).toHaveLength(1);
    expect(await submit({ goal: 'another' }, 'key')).toMatchObject({ replayed: false });
  });

  test('accepts a run while Temporal is away, and says so to whom it concerns', async () => {
    workflows.away = true;
    const { run } = await submit({ goal: 'later' }, 'key');
    expect(run).toMatchObject({ status: 'queued' });
    expect(notStarted).toEqual([run.id]);
    expect(await rowOf(test_db.db, run.id)).toMatchObject({ workflow_started_at: null });
    workflows.away = false;
    expect(await submit({ goal: 'later' }, 'key')).toMatchObject({ replayed: true, run: { id: run.id } });
  });

  test('refuses a budget above the rules, by name', async () => {
    const body = { goal: 'large', budget: { max_steps: RULES.max_steps + 1 } };
    await expect(submit(body)).rejects.toMatchObject({
      code: 'invalid_request',
      parts: [{ pointer: '/budget/max_steps' }],
    });
    expect(await runsOf()).toEqual([]);
  });
});
