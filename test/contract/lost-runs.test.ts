import { readWishes } from '../../src/activities/read-wishes';
import { unheardRuns } from '../../src/db/lost-runs';
import { adoptNamespace, forgetNamespace, rememberNamespace } from '../../src/db/temporal-namespace';
import { LostRuns } from '../../src/runs/lost-runs';
import { noteStarted } from '../../src/db/run-starts';
import type { Tx } from '../../src/db/tx';
import { inExecution } from '../../src/runs/reopen';
import { depsWith } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeKnown, fakeWorkflows, type FakeKnown, type FakeWorkflows } from '../support/fakes';
import { blocked, eventsOf, newRun, RULES, rowOf, typesOf } from '../support/runs';

describe('runs whose workflows Temporal has lost', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  let known: FakeKnown;
  let runs: LostRuns;
  const faults: { what: string; why: string }[] = [];
  const settled: [run_id: string, became: string][] = [];
  beforeEach(async () => {
    test_db = await createTestDatabase();
    workflows = fakeWorkflows();
    known = fakeKnown();
    faults.length = 0;
    settled.length = 0;
    runs = new LostRuns({
      ...{ db: test_db.db, workflows, known },
      onSettled: ({ id }, became) => void settled.push([id, became]),
      onFault: (what, error) => void faults.push({ what, why: (error as Error).message }),
    });
  });
  afterEach(() => test_db.drop());

  /** A run that was handed over and of which nothing was heard for two minutes. */
  async function quiet({
    status = 'running',
    more = '',
    lost = 'unknown' as 'unknown' | 'closed' | null,
    tenant = 'tenant',
    rules = RULES,
  } = {}): Promise<string> {
    const run_id = await newRun(test_db.db, { tenant, rules });
    if (status === 'queued') await noteStarted(test_db.db, [run_id]);
    else
      await test_db.db.query(`update runs set status = $2, execution = 'e' where id = $1`, [run_id, status]);
    await test_db.db.query(
      `update runs set updated_at = now() - interval '2 minutes',
         workflow_started_at = workflow_started_at - interval '2 minutes' ${more} where id = $1`,
      [run_id],
    );
    if (lost !== null) known.lost.set(run_id, lost);
    return run_id;
  }
  const LATE = `, deadline_at = now() - interval '2 minutes'`;
  const looks = async (count: number) => {
    for (let look = 0; look < count; look += 1) await runs.look();
  };
  const row = (run_id: string) => rowOf(test_db.db, run_id);
  const startedIds = () => workflows.started.map(({ id }) => id);

  test.each(['running', 'waiting', 'paused'])(
    'are started again in the attempt they are in, with their whole time, where they are %s',
    async (status) => {
      const run_id = await quiet({ status, more: LATE });
      const before = await row(run_id);
      const events = await eventsOf(test_db.db, run_id);
      await looks(2);
      const { deadline_at, ...after } = await row(run_id);
      expect(after).toMatchObject({ status, attempt: 1, execution: 'started', past_executions: ['e'] });
      expect(Number(after.revision)).toBe(Number(before.revision) + 1);
      expect((deadline_at as Date).getTime() - Date.now()).toBeGreaterThan(
        (RULES.max_duration_s - 60) * 1_000,
      );
      expect(workflows.started).toMatchObject([
        { id: run_id, deadline_at, tenant: 'tenant', goal: 'a goal' },
      ]);
      expect(await eventsOf(test_db.db, run_id)).toEqual(events);
      expect(settled).toEqual([[run_id, 'started']]);
      known.lost.clear();
      await looks(3);
      expect(startedIds()).toEqual([run_id]);
      expect(faults).toEqual([]);
    },
  );

  test('are started again where nobody had begun them, and are not begun by that', async () => {
    const run_id = await quiet({ status: 'queued' });
    await looks(2);
    expect(startedIds()).toEqual([run_id]);
    expect(await row(run_id)).toMatchObject({ status: 'queued', execution: null, past_executions: [] });
    await looks(2); // it has a minute to be heard of
    expect(startedIds()).toEqual([run_id]);
  });

  test('end as cancelled where that was wished, whichever Temporal answers', async () => {
    const run_id = await quiet({ status: 'cancelling' });
    await test_db.db.query(
      `insert into wishes (id, run_id, tenant, attempt, kind, actor, reason) values ('wish_1', $1, 'tenant', 1, 'cancel', 'key_1', 'no')`,
      [run_id],
    );
    await rememberNamespace(test_db.db, 'another');
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'cancelled', attempt: 1 });
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'run.cancelled',
      data: { actor: 'key_1', reason: 'no' },
    });
    expect(settled).toEqual([[run_id, 'cancelled']]);
    expect(startedIds()).toEqual([]);
  });

  test('are believed to be lost when two looks have found it', async () => {
    const [stays, comes_back] = [await quiet(), await quiet()];
    await looks(1);
    expect(startedIds()).toEqual([]);
    known.lost.delete(comes_back);
    await looks(1);
    expect(startedIds()).toEqual([stays]);
    known.lost.set(comes_back, 'unknown');
    await looks(1);
    expect(startedIds()).toEqual([stays]);
  });

  test('are to be found twice anew by who has not looked meanwhile', async () => {
    const run_id = await quiet();
    await looks(1);
    runs.forget();
    await looks(1);
    expect(startedIds()).toEqual([]);
    await looks(1);
    expect(startedIds()).toEqual([run_id]);
  });

  test('are not asked about while something is heard of them, before they are handed over, or once they are over', async () => {
    const unstarted = await newRun(test_db.db);
    await test_db.db.query(`update runs set updated_at = now() - interval '1 hour' where id = $1`, [
      unstarted,
    ]);
    const [heard_of, fresh] = [await quiet(), await quiet({ status: 'queued' })];
    await test_db.db.query('update runs set updated_at = now() where id = $1', [heard_of]);
    await test_db.db.query('update runs set workflow_started_at = now() where id = $1', [fresh]);
    await quiet({ status: 'completed' });
    await looks(2);
    expect(known.asked).toEqual([]);
    expect(await row(fresh)).toMatchObject({ status: 'queued' });
  });

  test('are left alone where something was heard of them since they were found', async () => {
    const run_id = await quiet();
    await looks(1);
    await test_db.db.query('update runs set updated_at = now() where id = $1', [run_id]);
    await looks(1);
    expect([startedIds(), settled]).toEqual([[], []]);
  });

  test('are gone round, some at a time, also where none of them is lost', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 230; n += 1) ids.push(await quiet({ lost: null, tenant: `tenant_${n % 3}` }));
    await looks(3);
    expect([...known.asked].sort()).toEqual([...ids].sort());
    await looks(1);
    expect(known.asked.length).toBe(330);
  });

  test('are found by an index that has open runs alone', async () => {
    await quiet();
    const plan = await test_db.db.transaction(async (tx) => {
      await tx.query('set local enable_seqscan = off');
      await tx.query('set local enable_bitmapscan = off'); // of few rows
      const explain: Tx['query'] = (text, values) => tx.query(`explain ${text}`, values);
      return unheardRuns({ query: explain }, { tenant: 'a', id: 'b' }, 100) as Promise<unknown>;
    });
    const lines = (plan as { 'QUERY PLAN': string }[]).map((line) => line['QUERY PLAN']).join('\n');
    expect(lines).toMatch(/Index (Only )?Scan using runs_open/);
    expect(lines).not.toContain('Sort');
  });

  test('are found later when Temporal was away, or did not take one', async () => {
    const [one, two] = [await quiet(), await quiet()];
    await looks(1);
    known.away = true;
    await expect(runs.look()).rejects.toThrow('away');
    known.away = false;
    workflows.refused.add(one);
    await looks(1);
    expect(faults.map(({ what }) => what)).toEqual([
      `Run ${one}, which Temporal has lost, could not be started again`,
    ]);
    expect(startedIds()).toEqual([two]);
    expect(await row(one)).toMatchObject({ execution: 'e', past_executions: [] });
    workflows.refused.clear();
    await looks(2);
    expect(startedIds()).toEqual([two, one]);
  });

  test('end when their time is over, where Temporal does not take them', async () => {
    const run_id = await quiet({ more: LATE });
    workflows.refused.add(run_id);
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'timed_out' });
  });

  test('whose workflow has closed without them are not started again, and end when their time is over', async () => {
    const [late, young] = [await quiet({ lost: 'closed', more: LATE }), await quiet({ lost: 'closed' })];
    await looks(3);
    expect(startedIds()).toEqual([]);
    expect(await row(late)).toMatchObject({ status: 'timed_out' });
    expect(await row(young)).toMatchObject({ status: 'running' });
  });

  test('stay as they are where a workflow has closed between the look and the start', async () => {
    const run_id = await quiet();
    workflows.execution = null;
    const before = await row(run_id);
    await looks(2);
    expect(startedIds()).toEqual([run_id]);
    expect(await row(run_id)).toEqual(before);
    expect([settled, faults]).toEqual([[], []]);
  });

  test('go on with the workflow that Temporal has after all', async () => {
    const run_id = await quiet();
    workflows.execution = 'e';
    await looks(2);
    expect(await row(run_id)).toMatchObject({ execution: 'e', past_executions: [] });
  });

  describe('in another namespace than the one that is remembered', () => {
    const LEFT_ALONE = 'Runs that Temporal does not know are not started again';
    beforeEach(async () => {
      await looks(1); // the first one is remembered
      known.namespace = 'second';
    });

    test('are left alone, which is said once, until it is the right one', async () => {
      const run_id = await quiet();
      await looks(3);
      expect(faults).toEqual([
        {
          what: LEFT_ALONE,
          why: 'Its namespace is second, and runs were started in first: if nobody carries runs out there any more, say `longhaul temporal adopt second`.',
        },
      ]);
      expect([startedIds(), settled]).toEqual([[], []]);
      known.namespace = 'third';
      await looks(2);
      expect(faults).toHaveLength(2);
      expect(await adoptNamespace(test_db.db, 'third')).toBe('first');
      await looks(2);
      expect(startedIds()).toEqual([run_id]);
      expect(faults).toHaveLength(2);
    });

    test('are started again where it is the first one again', async () => {
      const run_id = await quiet();
      await looks(2);
      known.namespace = 'first';
      await looks(2);
      expect(startedIds()).toEqual([run_id]);
    });

    test.each(['running', 'queued'])('end when their time is over where they are %s', async (status) => {
      const [late, young, just] = [
        await quiet({ status, more: LATE }),
        await quiet({ status }),
        await quiet({ status, more: `, deadline_at = now() - interval '30 seconds'` }),
      ];
      await looks(2);
      expect(await row(late)).toMatchObject({ status: 'timed_out', attempt: 1 });
      expect((await eventsOf(test_db.db, late)).at(-1)).toMatchObject({
        type: 'run.timed_out',
        data: { limit: { kind: 'max_duration_s', value: RULES.max_duration_s } },
      });
      for (const run_id of [young, just]) expect(await row(run_id)).toMatchObject({ status });
      expect(settled).toEqual([[late, 'timed_out']]);
    });

    test('may wait for a person as long as they might have, and no longer', async () => {
      const rules = { ...RULES, max_wait_s: 30 };
      const over = await quiet({ status: 'waiting', more: LATE, rules });
      const waits = await quiet({ status: 'waiting', more: LATE });
      await looks(2);
      expect(await row(waits)).toMatchObject({ status: 'waiting' });
      expect((await eventsOf(test_db.db, over)).at(-1)).toMatchObject({
        type: 'run.timed_out',
        data: { limit: { kind: 'max_wait_s', value: 30 } },
      });
    });
  });

  test('are not ended in the name of an execution that another one has replaced', async () => {
    await rememberNamespace(test_db.db, 'another');
    const run_id = await quiet({ more: `${LATE}, past_executions = '{e}'` }); // as one that is replaced while it is ended finds it
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'running' });
    expect(settled).toEqual([]);
    expect(faults).toHaveLength(1); // of the namespace
  });

  test('let the first activity of the new workflow wait until the run knows it, so that it is no Reset', async () => {
    const run_id = await quiet();
    let activity: Promise<unknown> | undefined;
    workflows.start = async () => {
      const at = { run_id, execution: 'e2' };
      const deps = depsWith(test_db.db);
      activity = inExecution(test_db.db, at, () => readWishes(deps, { run_id }, 'e2'));
      await blocked(test_db.owner, 1);
      return 'e2';
    };
    await looks(2);
    expect(await activity).toMatchObject({ wish: null });
    expect(await row(run_id)).toMatchObject({ attempt: 1, execution: 'e2', past_executions: ['e'] });
    expect(await typesOf(test_db.db, run_id)).not.toContain('run.reopened');
  });
});

describe('the namespace of Temporal that is remembered', () => {
  let test_db: TestDatabase;
  beforeEach(async () => void (test_db = await createTestDatabase()));
  afterEach(() => test_db.drop());

  test('is that of the first comer, also where several come at once, until another one is adopted or it is forgotten', async () => {
    const { db } = test_db;
    const ids = Array.from({ length: 8 }, (_, n) => `id_${n}`);
    const [first, ...same] = await Promise.all(ids.map((id) => rememberNamespace(db, id)));
    expect(ids).toContain(first);
    expect(new Set(same)).toEqual(new Set([first]));
    expect(await rememberNamespace(db, 'late')).toBe(first);
    expect(await adoptNamespace(db, 'adopted')).toBe(first);
    expect(await rememberNamespace(db, 'late')).toBe('adopted');
    await forgetNamespace(db);
    expect(await adoptNamespace(db, 'again')).toBeNull();
  });
});
