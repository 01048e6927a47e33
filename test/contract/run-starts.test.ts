import { claimUnstartedRuns } from '../../src/db/run-starts';
import { lockRun } from '../../src/db/runs';
import { openListener } from '../../src/events/listener';
import { RunStarts } from '../../src/runs/run-starts';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { fakeKnown, fakeWorkflows, type FakeWorkflows } from '../support/fakes';
import { RESTART, repeat, repeatable } from '../support/reruns';
import { newRun, rowOf, typesOf } from '../support/runs';

/** Starts of one worker on their way at once. */
const AT_ONCE = 16;

describe('the starts of runs', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  const open: RunStarts[] = [];
  const faults: string[] = [];
  const notStarted: string[] = [];
  beforeEach(async () => {
    test_db = await createTestDatabase();
    workflows = fakeWorkflows();
    faults.length = 0;
    notStarted.length = 0;
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await Promise.all(open.splice(0).map((starts) => starts.close()));
    await test_db.drop();
  });

  function begin(of: Pick<FakeWorkflows, 'start'> = workflows): RunStarts {
    const { db, url } = test_db;
    const starts = new RunStarts({
      db,
      url,
      workflows: of,
      known: fakeKnown(),
      onNotStarted: ({ id }) => void notStarted.push(id),
      onFault: (what) => void faults.push(what),
    });
    open.push(starts);
    return starts;
  }
  /** One that no timer makes look: it acts on what it is told alone. */
  function beginWithoutTimer(): void {
    jest.spyOn(global, 'setInterval').mockReturnValueOnce({} as NodeJS.Timeout);
    begin();
  }
  /** From when on it hears of new runs: until then it may find one as it connects. */
  async function isListening(): Promise<void> {
    const first = await newRun(test_db.db);
    await eventually(() => started().includes(first));
  }
  const set = (run_id: string, change: string) =>
    test_db.db.query(`update runs set ${change} where id = $1`, [run_id]);
  const isMarked = async (run_id: string) =>
    (await rowOf(test_db.db, run_id))['workflow_started_at'] !== null;
  /** Ids of the starts that Temporal took; one whose claim ran out on a slow machine may be there twice. */
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
    expect(await rowOf(test_db.db, runs[0]!)).toMatchObject({ temporal_namespace: 'first' });
    expect(faults).toEqual([]);
  });

  test('hear of a new run without looking for it, and of one that repeats another', async () => {
    const { failedRun, deps } = repeatable(test_db.db);
    const old = await failedRun();
    beginWithoutTimer();
    await isListening();
    const run_id = await newRun(test_db.db);
    await eventually(() => started().includes(run_id));
    const { id } = await repeat(deps, old, RESTART);
    await eventually(() => started().includes(id));
  });

  test('find a run that nobody told them of', async () => {
    begin();
    await isListening();
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
    const claim = async () => (await claimUnstartedRuns(test_db.db, 10, null)).map(({ id }) => id);
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
    await eventually(() => notStarted.length >= 2, { what: 'a second try' });
    expect(await isMarked(run_id)).toBe(false);
    expect(notStarted[0]).toBe(run_id);
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

  test('end a run that was not started before its deadline, and its steps, without Temporal', async () => {
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

  test('rest after one has failed, so that no circle of tries is made of a backlog', async () => {
    workflows.away = true;
    for (let i = 0; i < 40; i += 1) await newRun(test_db.db);
    beginWithoutTimer();
    await eventually(() => notStarted.length === AT_ONCE, { what: 'the first to fail' });
    const heard = jest.fn();
    const listener = openListener(test_db.url, 'longhaul_runs', {
      onNotice: heard,
      onConnected: () => void newRun(test_db.db),
      onLost: () => undefined,
    });
    await eventually(() => heard.mock.calls.length > 0, { what: 'a notice that they hear too' });
    await listener.close();
    const claimed = await test_db.db.query('select 1 from runs where claimed_until is not null');
    expect(claimed).toHaveLength(AT_ONCE);
  });

  test('leave a run that somebody holds and start the others', async () => {
    const held = await newRun(test_db.db);
    const run_id = await newRun(test_db.db);
    await test_db.db.transaction(async (tx) => {
      await lockRun(tx, held);
      begin();
      await eventually(() => started().includes(run_id));
      expect(started()).toEqual([run_id]);
    });
    await eventually(() => started().includes(held));
  });

  /** Workflows whose starts take until they are let go. */
  function slowly(): { start: FakeWorkflows['start']; under_way: string[]; letGo: (count?: number) => void } {
    const waiting: (() => void)[] = [];
    const under_way: string[] = [];
    return {
      under_way,
      async start(run) {
        under_way.push(run.id);
        await new Promise<void>((resolve) => waiting.push(resolve));
        return workflows.start(run);
      },
      letGo: (count = Infinity) => waiting.splice(0, count).forEach((go) => go()),
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
    await eventually(() => slow.under_way.length === AT_ONCE, { what: 'as many as go at once' });
    for (const run_id of others) expect(slow.under_way).toContain(run_id);
    await eventually(() => {
      slow.letGo();
      return new Set(started()).size === flood.length + others.length;
    });
  });

  test('give the next place to a tenant that comes later, when a flood has had all of them', async () => {
    for (let i = 0; i < 30; i += 1) await newRun(test_db.db, { tenant: 'flood' });
    const slow = slowly();
    begin(slow);
    await eventually(() => slow.under_way.length === AT_ONCE, { what: 'the flood to take all places' });
    const run_id = await newRun(test_db.db, { tenant: 'another' });
    slow.letGo(1);
    await eventually(() => slow.under_way.length > AT_ONCE, { what: 'the next start' });
    expect(slow.under_way[AT_ONCE]).toBe(run_id);
    await eventually(() => {
      slow.letGo();
      return new Set(started()).size === 31;
    });
  });

  test('that are closed claim nothing any more, and wait for what is on its way', async () => {
    const slow = slowly();
    await Promise.all(Array.from({ length: 40 }, () => newRun(test_db.db)));
    const starts = begin(slow);
    await eventually(() => slow.under_way.length === AT_ONCE, { what: 'as many as go at once' });
    let closed = false;
    const closing = starts.close().then(() => (closed = true));
    const listening = `select from pg_stat_activity where application_name = 'longhaul listener' and datname = current_database()`;
    await eventually(async () => (await test_db.owner.query(listening)).length === 0, {
      what: 'the listener to be gone',
    });
    expect(closed).toBe(false);
    slow.letGo();
    await closing;
    expect(slow.under_way).toHaveLength(AT_ONCE);
    const marked = await test_db.db.query('select 1 from runs where workflow_started_at is not null');
    expect(marked).toHaveLength(AT_ONCE);
  });
});
