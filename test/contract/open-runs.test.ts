import { submitRun } from '../../src/runs/submit';
import { append } from '../../src/events/append';
import { openDatabase, type Database } from '../../src/db/database';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { COMPLETED, RULES, newRun, reopen } from '../support/runs';

describe('open runs of a tenant', () => {
  let test_db: TestDatabase;
  /** Another process. */
  let other: Database;
  let tenants = 0;
  let tenant: string;
  beforeAll(async () => {
    test_db = await createTestDatabase();
    other = openDatabase({ url: test_db.url, pool: 10, name: 'another process' });
  });
  afterAll(async () => {
    await other.close();
    await test_db.drop();
  });
  beforeEach(() => void (tenant = `tenant_${(tenants += 1)}`));

  const submit = (db: Database = test_db.db, key: string | null = null, of = tenant) =>
    submitRun(
      {
        records: db.of(of),
        rules: RULES,
        open_runs: 10,
        forecastAnswer: () => null,
      },
      {
        tenant: of,
        body: { goal: 'a goal' },
        idempotency_key: key,
        request_id: null,
        trace_id: null,
      },
    );
  const count = async () => {
    const rows = await test_db.db.query<{ count: number }>(
      'select count(*)::int as count from runs where tenant = $1',
      [tenant],
    );
    return rows[0]!.count;
  };
  const end = (run_id: string) =>
    append(test_db.db, run_id, { attempt: null, events: [COMPLETED], change: { status: 'completed' } });

  test('are never more than the limit, however many processes submit at once', async () => {
    const settled = await Promise.allSettled(
      Array.from({ length: 60 }, (_, i) => submit(i % 2 === 0 ? test_db.db : other)),
    );
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    for (const result of settled) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'queue_full', more: { retry_after_s: 5 } });
    }
    expect(await count()).toBe(10);
  });

  test('make room when one ends, and are counted again when it is reopened', async () => {
    const runs = [];
    for (let i = 0; i < 10; i += 1) runs.push((await submit()).run.id);
    await expect(submit()).rejects.toMatchObject({ code: 'queue_full' });
    await end(runs[3]!);
    const { run } = await submit();
    await expect(submit()).rejects.toMatchObject({ code: 'queue_full' });
    await end(run.id);
    await reopen(test_db.db, runs[3]!);
    await expect(submit()).rejects.toMatchObject({ code: 'queue_full' });
  });

  test('count in every status that is not terminal', async () => {
    for (const status of ['queued', 'running', 'waiting', 'paused', 'cancelling']) {
      for (let i = 0; i < 2; i += 1) {
        const id = await newRun(test_db.db, { tenant });
        await test_db.db.query('update runs set status = $2 where id = $1', [id, status]);
      }
    }
    for (const status of ['completed', 'failed', 'cancelled', 'timed_out']) {
      const id = await newRun(test_db.db, { tenant });
      await test_db.db.query('update runs set status = $2 where id = $1', [id, status]);
    }
    await expect(submit()).rejects.toMatchObject({ code: 'queue_full' });
  });

  test('do not stand in the way of a repeated submit, nor of another tenant', async () => {
    const { run } = await submit(test_db.db, 'first');
    for (let i = 1; i < 10; i += 1) await submit();
    expect(await submit(other, 'first')).toMatchObject({ replayed: true, run: { id: run.id } });
    await expect(submit(test_db.db, 'second')).rejects.toMatchObject({ code: 'queue_full' });
    expect((await submit(test_db.db, null, `${tenant}_other`)).replayed).toBe(false);
    // The key of a submit that was refused is free: repeated when there is room, it is taken.
    await end(run.id);
    expect((await submit(other, 'second')).replayed).toBe(false);
  });
});
