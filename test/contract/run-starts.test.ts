import { claimUnstartedRuns } from '../../src/db/run-starts';
import { RunStarts } from '../../src/runs/run-starts';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { fakeWorkflows, type FakeWorkflows } from '../support/fakes';
import { RESTART, repeat, repeatable } from '../support/reruns';
import { newRun, rowOf, typesOf } from '../support/runs';

describe('the starts of runs', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  const open: RunStarts[] = [];
  const faults: string[] = [];
  beforeEach(async () => {
    test_db = await createTestDatabase();
    workflows = fakeWorkflows();
    faults.length = 0;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(open.splice(0).map((starts) => starts.close()));
    await test_db.drop();
  });

  function begin(of: Pick<FakeWorkflows, 'start'> = workflows): RunStarts {
    const { db, url } = test_db;
    const starts = new RunStarts({ db, url, workflows: of, onFault: (what) => void faults.push(what) });
    open.push(starts);
    return starts;
  }
  /** One that no timer makes look: it acts on what it is told alone. */
  function beginWithoutTimer(): void {
    jest.spyOn(global, 'setInterval').mockReturnValueOnce({} as NodeJS.Timeout);
    begin();
  }
  const set = (run_id: string, change: string) =>
    test_db.db.query(`update runs set ${change} where id = $1`, [run_id]);
  const isMarked = async (run_id: string) =>
    (await rowOf(test_db.db, run_id))['workflow_started_at'] !== null;
  const started = () => workflows.started.map(({ id }) => id);

  test('start what they find, and mark it once', async () => {
    const runs = [await newRun(test_db.db), await newRun(test_db.db)];
    begin();
    for (const run_id of runs) await eventually(() => isMarked(run_id));
    expect(new Set(started())).toEqual(new Set(runs));
    expect(workflows.started).toHaveLength(2);
    expect(workflows.started.find(({ id }) => id === runs[0])).toMatchObject({
      tenant: 'tenant',
      goal: 'a goal',
      origin: { type: 'api' },
      deadline_at: expect.any(Date) as Date,
    });
    expect(faults).toEqual([]);
  });

  test('hear of a new run without looking for it, and of one that repeats another', async () => {
    const { failedRun, deps } = repeatable(test_db.db);
    const old = await failedRun();
    beginWithoutTimer();
    const run_id = await newRun(test_db.db);
    await eventually(() => started().includes(run_id));
    const { id } = await repeat(deps, old, RESTART);
    await eventually(() => started().includes(id));
  });

  test('find a run that nobody told them of', async () => {
    begin();
    await test_db.owner.query('alter table runs disable trigger tell_new_runs');
    const run_id = await newRun(test_db.db);
    await eventually(() => started().includes(run_id));
  });

  test('leave alone what is marked, claimed by another, or over', async () => {
    const [over, marked, due] = [
      await newRun(test_db.db),
      await newRun(test_db.db),
      await newRun(test_db.db),
    ];
    await set(over, `status = 'cancelled'`);
    await set(marked, 'workflow_started_at = now()');
    const claim = async () => (await claimUnstartedRuns(test_db.db, 10)).map(({ id }) => id);
    expect([await claim(), await claim()]).toEqual([[due], []]);
  });

  test.each([
    ['a worker has claimed that died', `claimed_until = now() + interval '300 milliseconds'`],
    ['was claimed before the clock was set back', `claimed_until = now() + interval '1 hour'`],
  ])('take over what %s', async (_what, claim) => {
    const run_id = await newRun(test_db.db);
    await set(run_id, claim);
    begin();
    await eventually(() => isMarked(run_id));
  });

  test('of several workers start each run once', async () => {
    begin();
    begin();
    begin();
    const runs = await Promise.all(Array.from({ length: 150 }, () => newRun(test_db.db)));
    for (const run_id of runs) await eventually(() => isMarked(run_id));
    expect([...started()].sort()).toEqual([...runs].sort());
  });

  test('try again when Temporal is back', async () => {
    workflows.away = true;
    const run_id = await newRun(test_db.db);
    begin();
    await eventually(() => faults.length >= 2, { what: 'a second try' });
    expect(await isMarked(run_id)).toBe(false);
    expect(faults[0]).toBe(`Run ${run_id} could not be started`);
    workflows.away = false;
    await eventually(() => isMarked(run_id));
  });

  test('are held up by no run that Temporal refuses', async () => {
    const refused = await Promise.all(Array.from({ length: 40 }, () => newRun(test_db.db)));
    for (const run_id of refused) workflows.refused.add(run_id);
    const run_id = await newRun(test_db.db);
    begin();
    await eventually(() => isMarked(run_id));
  });

  test('end a run that waited for Temporal beyond its deadline, and its steps, without it', async () => {
    const { failedRun, deps } = repeatable(test_db.db);
    const repeated = await repeat(deps, await failedRun(), RESTART);
    const run_id = await newRun(test_db.db);
    for (const id of [run_id, repeated.id]) await set(id, `deadline_at = now() - interval '1 second'`);
    begin();
    for (const id of [run_id, repeated.id]) {
      await eventually(async () => (await rowOf(test_db.db, id))['status'] === 'timed_out');
    }
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('run.timed_out');
    expect((await typesOf(test_db.db, repeated.id)).slice(-2)).toEqual([
      'step.cancelled two',
      'run.timed_out',
    ]);
    expect(started()).toEqual([]);
  });

  /** Workflows whose starts take until they are let go. */
  function slowly(): { start: FakeWorkflows['start']; under_way: string[]; letGo: () => void } {
    const waiting: (() => void)[] = [];
    const under_way: string[] = [];
    return {
      under_way,
      async start(run) {
        under_way.push(run.id);
        await new Promise<void>((resolve) => waiting.push(resolve));
        await workflows.start(run);
      },
      letGo: () => waiting.splice(0).forEach((go) => go()),
    };
  }

  test('hand over some at a time, and one of each tenant before the second of any', async () => {
    const flood = await Promise.all(
      Array.from({ length: 60 }, () => newRun(test_db.db, { tenant: 'flood' })),
    );
    const others = [
      await newRun(test_db.db, { tenant: 'another' }),
      await newRun(test_db.db, { tenant: 'third' }),
    ];
    const slow = slowly();
    begin(slow);
    await eventually(() => slow.under_way.length === 32, { what: 'as many as go at once' });
    for (const run_id of others) expect(slow.under_way).toContain(run_id);
    await eventually(() => {
      slow.letGo();
      return workflows.started.length === flood.length + others.length;
    });
  });

  test('that are closed claim nothing any more, and wait for what is on its way', async () => {
    const slow = slowly();
    await Promise.all(Array.from({ length: 40 }, () => newRun(test_db.db)));
    const starts = begin(slow);
    await eventually(() => slow.under_way.length === 32, { what: 'as many as go at once' });
    let closed = false;
    const closing = starts.close().then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    slow.letGo();
    await closing;
    expect(slow.under_way).toHaveLength(32);
    const marked = await test_db.db.query('select 1 from runs where workflow_started_at is not null');
    expect(marked).toHaveLength(32);
  });
});
