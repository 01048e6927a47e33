import { readWishes } from '../../src/activities/read-wishes';
import { ANY_NAMESPACE, adoptRuns, unheardRuns } from '../../src/db/lost-runs';
import { LostRuns } from '../../src/runs/lost-runs';
import { noteStarted } from '../../src/db/run-starts';
import type { Tx } from '../../src/db/tx';
import { cancelRun } from '../../src/runs/cancel';
import { append } from '../../src/events/append';
import { inExecution } from '../../src/runs/reopen';
import { depsWith } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeKnown, fakeWorkflows, type FakeKnown, type FakeWorkflows } from '../support/fakes';
import { eventsOf, fact, newRun, RULES, rowOf, typesOf } from '../support/runs';

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
    more = null as string | null,
    lost = 'unknown' as 'unknown' | 'closed' | null,
    tenant = 'tenant',
    rules = RULES,
  } = {}): Promise<string> {
    const run_id = await newRun(test_db.db, { tenant, rules });
    if (status === 'queued') await noteStarted(test_db.db, [run_id]);
    else
      await test_db.db.query(`update runs set status = $2, execution = 'e' where id = $1`, [run_id, status]);
    await test_db.db.query(
      `update runs set updated_at = now() - interval '2 minutes', temporal_namespace = 'first',
         workflow_started_at = workflow_started_at - interval '2 minutes' where id = $1`,
      [run_id],
    );
    if (more !== null) await test_db.db.query(`update runs set ${more} where id = $1`, [run_id]);
    if (lost !== null) known.lost.set(run_id, lost);
    return run_id;
  }
  /** Its last sign is older than the whole time it has. */
  const LATE = `updated_at = now() - (rules->>'max_duration_s')::float8 * interval '1 second' - interval '2 minutes'`;
  const looks = async (count: number) => {
    for (let look = 0; look < count; look += 1) await runs.look(() => true);
  };
  /** As if two more minutes had gone by since it was handed over. */
  const age = (run_id: string) =>
    test_db.db.query(
      `update runs set workflow_started_at = workflow_started_at - interval '2 minutes' where id = $1`,
      [run_id],
    );
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
    known.namespace = 'another';
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
    await expect(runs.look(() => true)).rejects.toThrow('away');
    known.away = false;
    workflows.refused.add(one);
    await looks(1);
    expect(faults.map(({ what }) => what)).toEqual([
      `Run ${one}, which Temporal has lost, could not be started again`,
    ]);
    expect(startedIds()).toEqual([two]);
    expect(await row(one)).toMatchObject({ execution: null, past_executions: ['e'], attempt: 1 });
    workflows.refused.clear();
    await looks(2); // it has a minute to be heard of: the start may have been taken after all
    expect(startedIds()).toEqual([two]);
    await age(one);
    await looks(2);
    expect(startedIds()).toEqual([two, one]);
    expect(await row(one)).toMatchObject({ execution: 'started', past_executions: ['e'] });
  });

  test('end when their time is over, where Temporal does not take them', async () => {
    const run_id = await quiet({ more: LATE });
    workflows.refused.add(run_id);
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'running' }); // the start may have been taken after all
    await age(run_id);
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'timed_out', attempt: 1 });
    expect(settled).toEqual([[run_id, 'timed_out']]);
  });

  test('are not revived, nor is a wish to cancel them lost, by a start that Temporal takes late', async () => {
    const [late, cancelled] = [await quiet({ more: LATE }), await quiet()];
    for (const id of [late, cancelled]) workflows.refused.add(id);
    await looks(2);
    await age(late);
    await cancelRun(
      { records: test_db.db, workflows, onNotWoken: () => undefined },
      { tenant: 'tenant', run_id: cancelled, reason: 'enough', actor: 'key_1' },
    );
    await looks(2);
    const first = (run_id: string) =>
      inExecution(test_db.db, { run_id, execution: 'taken late' }, () =>
        readWishes(depsWith(test_db.db), { run_id }, 'taken late'),
      );
    expect(await first(cancelled)).toMatchObject({ wish: 'cancel' });
    await first(late).catch(() => undefined);
    expect(await row(late)).toMatchObject({ status: 'timed_out', attempt: 1 });
    for (const id of [late, cancelled]) expect(await typesOf(test_db.db, id)).not.toContain('run.reopened');
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
    await looks(2);
    expect(startedIds()).toEqual([run_id]);
    expect(await row(run_id)).toMatchObject({ status: 'running', attempt: 1, execution: null });
    expect([settled, faults]).toEqual([[], []]);
  });

  test('go on with the workflow that Temporal has after all', async () => {
    const run_id = await quiet();
    workflows.execution = 'e';
    await looks(2);
    expect(await row(run_id)).toMatchObject({ execution: 'e', past_executions: [] });
  });

  describe('in another namespace than the one they were started in', () => {
    const LEFT_ALONE = 'Runs that Temporal does not know are not started again';
    beforeEach(() => void (known.namespace = 'second'));

    test('are left alone, which is said once, until it is the right one', async () => {
      const run_id = await quiet();
      await looks(3);
      expect(faults).toEqual([
        {
          what: LEFT_ALONE,
          why: 'Its namespace is second, and they were started in first: if nobody carries runs out there any more, say `longhaul temporal adopt second`.',
        },
      ]);
      expect([startedIds(), settled]).toEqual([[], []]);
      known.namespace = 'third';
      await looks(2);
      expect(faults).toHaveLength(2);
      expect(await adoptRuns(test_db.db, 'third')).toBe(1);
      expect(await adoptRuns(test_db.db, 'third')).toBe(0);
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
        await quiet({
          status,
          more: `updated_at = now() - (rules->>'max_duration_s')::float8 * interval '1 second' - interval '30 seconds'`,
        }),
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
      // What the row says does not count the time that it has waited before.
      const has_waited = await quiet({ more: `deadline_at = now() - interval '1 hour'` });
      await looks(2);
      expect(await row(waits)).toMatchObject({ status: 'waiting' });
      expect(await row(has_waited)).toMatchObject({ status: 'running' });
      expect((await eventsOf(test_db.db, over)).at(-1)).toMatchObject({
        type: 'run.timed_out',
        data: { limit: { kind: 'max_wait_s', value: 30 } },
      });
    });
  });

  test('are not ended in the name of an execution that another one has replaced', async () => {
    known.namespace = 'another';
    const run_id = await quiet({ more: `${LATE}, past_executions = '{e}'` }); // as one that is replaced while it is ended finds it
    await looks(2);
    expect(await row(run_id)).toMatchObject({ status: 'running' });
    expect(settled).toEqual([]);
    expect(faults).toHaveLength(1); // of the namespace
  });

  test('are known to the first activity of the new workflow before its start is noted, so that it is no Reset', async () => {
    const run_id = await quiet();
    workflows.start = async () => {
      const at = { run_id, execution: 'e2' };
      const wishes = inExecution(test_db.db, at, () => readWishes(depsWith(test_db.db), { run_id }, 'e2'));
      expect(await wishes).toMatchObject({ wish: null });
      return 'e2';
    };
    await looks(2);
    expect(await row(run_id)).toMatchObject({ attempt: 1, execution: 'e2', past_executions: ['e'] });
    expect(await typesOf(test_db.db, run_id)).not.toContain('run.reopened');
  });

  test('take nothing more from an execution that they have let go of, also where it had looked before', async () => {
    const run_id = await quiet();
    await looks(2);
    const stale = append(test_db.db, run_id, {
      attempt: 1,
      events: [fact('late')],
      change: { execution: 'e' },
    });
    await expect(stale).rejects.toMatchObject({ code: 'superseded' });
    expect(await row(run_id)).toMatchObject({ execution: 'started' });
  });

  test('that belong to whichever Temporal answers are started again', async () => {
    const run_id = await quiet();
    await adoptRuns(test_db.db, ANY_NAMESPACE);
    known.namespace = 'second';
    await looks(2);
    expect(startedIds()).toEqual([run_id]);
  });

  test('of which it is not known where they were started belong to the Temporal that is found to have them', async () => {
    const run_id = await quiet({ lost: null, more: 'temporal_namespace = null' });
    known.lost.set(run_id, 'unknown');
    await looks(2);
    expect([startedIds(), faults.length]).toEqual([[], 1]);
    known.lost.delete(run_id);
    await looks(1);
    expect(await row(run_id)).toMatchObject({ temporal_namespace: 'first' });
    known.lost.set(run_id, 'unknown');
    await looks(2);
    expect(startedIds()).toEqual([run_id]);
  });

  test('are left to the next look where this one has no time any more, to ask about them or to settle them', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 25; n += 1) ids.push(await quiet());
    for (const asked of [10, 20]) {
      let left = 1;
      await runs.look(() => left-- > 0);
      expect([known.asked.length, startedIds()]).toEqual([asked, []]);
    }
    await looks(1);
    expect(new Set(known.asked)).toEqual(new Set(ids));
    expect(startedIds()).toHaveLength(10);
    await looks(2);
    expect([...startedIds()].sort()).toEqual([...ids].sort());
  });
});
