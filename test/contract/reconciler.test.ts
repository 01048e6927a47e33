import { connectionOptions } from '../../src/db/database';
import { createApiKey } from '../../src/db/api-keys';
import { createStreamTicket } from '../../src/db/stream-tickets';
import { newId } from '../../src/db/new-id';
import { RunStarts } from '../../src/runs/run-starts';
import { StartNotes } from '../../src/runs/start-notes';
import { Reconciler } from '../../src/runs/reconcile';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { fakeClosed, fakeWorkflows, type FakeClosed, type FakeWorkflows } from '../support/fakes';
import { RESTART, repeat, repeatable } from '../support/reruns';
import { newRun, rowOf, typesOf } from '../support/runs';

describe('the reconciler', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  const open: Reconciler[] = [];
  const faults: string[] = [];
  beforeEach(async () => {
    test_db = await createTestDatabase();
    workflows = fakeWorkflows();
    closed = fakeClosed();
    faults.length = 0;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((reconciler) => reconciler.close()));
    await test_db.drop();
  });

  let closed: FakeClosed;
  function begin(name = 'test reconciler', of = workflows): Reconciler {
    const reconciler = new Reconciler({
      db: test_db.db,
      lock: connectionOptions(test_db.url, name),
      workflows: of,
      closed,
      onFault: (what) => void faults.push(what),
    });
    open.push(reconciler);
    reconciler.start();
    return reconciler;
  }
  /** A run that a submit left behind a while ago. */
  async function leftBehind(): Promise<string> {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set created_at = now() - interval '1 minute' where id = $1`, [
      run_id,
    ]);
    return run_id;
  }
  async function wished({ closed = false, age = '1 minute' } = {}): Promise<string> {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set status = 'cancelling' where id = $1`, [run_id]);
    await test_db.db.query(
      `insert into wishes (id, run_id, tenant, attempt, kind, actor, created_at, closed_at)
       values ($1, $2, 'tenant', 1, 'cancel', 'key_1', now() - $3::interval, case when $4 then now() end)`,
      [newId('wish'), run_id, age, closed],
    );
    return run_id;
  }
  const isMarked = async (run_id: string) =>
    (await rowOf(test_db.db, run_id))['workflow_started_at'] !== null;
  const kill = (name: string) =>
    test_db.owner.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
      [name],
    );

  test('starts what was left behind, marks it and starts it once', async () => {
    const runs = [await leftBehind(), await leftBehind()];
    begin();
    for (const run_id of runs) await eventually(() => isMarked(run_id));
    const later = await leftBehind();
    await eventually(() => isMarked(later));
    expect(workflows.started.map(({ id }) => id)).toEqual([...runs, later]);
    expect(workflows.started[0]).toMatchObject({
      id: runs[0],
      tenant: 'tenant',
      goal: 'a goal',
      origin: { type: 'api' },
    });
    expect(faults).toEqual([]);
  });

  test('leaves alone what is fresh, was marked, or is over', async () => {
    const fresh = await newRun(test_db.db);
    await test_db.db.query(`update runs set created_at = now() + interval '1 minute' where id = $1`, [fresh]);
    const over = await leftBehind();
    await test_db.db.query(`update runs set status = 'cancelled' where id = $1`, [over]);
    const marked = await leftBehind();
    await test_db.db.query('update runs set workflow_started_at = now() where id = $1', [marked]);
    const due = await leftBehind();
    begin();
    await eventually(() => isMarked(due));
    expect(workflows.started.map(({ id }) => id)).toEqual([due]);
  });

  test('tries again when Temporal is back', async () => {
    workflows.away = true;
    const run_id = await leftBehind();
    begin();
    await eventually(() => faults.length >= 2);
    expect(await isMarked(run_id)).toBe(false);
    expect(faults[0]).toBe(`Run ${run_id} could not be started`);
    workflows.away = false;
    await eventually(() => isMarked(run_id));
  });

  test('ends a run that waited for Temporal beyond its deadline, without it', async () => {
    const run_id = await leftBehind();
    await test_db.db.query(`update runs set deadline_at = now() - interval '1 second' where id = $1`, [
      run_id,
    ]);
    workflows.away = true;
    begin();
    await eventually(async () => (await rowOf(test_db.db, run_id))['status'] === 'timed_out');
    const [last] = await test_db.db.query(
      'select type from events where run_id = $1 order by seq desc limit 1',
      [run_id],
    );
    expect(last).toEqual({ type: 'run.timed_out' });
    expect(workflows.started).toEqual([]);
  });

  test('ends the steps of a restart with it that waited beyond its deadline', async () => {
    const { failedRun, deps } = repeatable(test_db.db);
    const { id } = await repeat(deps, await failedRun(), RESTART);
    await test_db.db.query(
      `update runs set created_at = now() - interval '1 minute', deadline_at = now() - interval '1 second' where id = $1`,
      [id],
    );
    begin();
    await eventually(async () => (await rowOf(test_db.db, id))['status'] === 'timed_out');
    expect((await typesOf(test_db.db, id)).slice(-2)).toEqual(['step.cancelled two', 'run.timed_out']);
  });

  test('does not start again what the process that took it has handed over, however long it queues', async () => {
    const [started, begun] = [await leftBehind(), await leftBehind()];
    await test_db.db.query(`update runs set status = 'running' where id = $1`, [begun]);
    const notes = new StartNotes(test_db.db, (error) => {
      throw error;
    });
    const starts = new RunStarts(
      workflows,
      () => undefined,
      (run_id) => notes.add(run_id),
    );
    for (const id of [started, begun]) await starts.begin({ id } as never);
    await starts.settled();
    await notes.close();
    expect([await isMarked(started), await isMarked(begun)]).toEqual([true, false]);
    const later = await leftBehind();
    begin();
    await eventually(() => isMarked(later));
    expect(workflows.started.map(({ id }) => id)).toEqual([started, begun, later]);
  });

  test('hands runs over in small crowds, so that a busy Temporal takes them', async () => {
    const runs = await Promise.all(Array.from({ length: 60 }, () => leftBehind()));
    let together = 0;
    let most = 0;
    const start = workflows.start.bind(workflows);
    workflows.start = async (run) => {
      most = Math.max(most, (together += 1));
      await new Promise((resolve) => setImmediate(resolve));
      together -= 1;
      await start(run);
    };
    begin();
    await eventually(() => workflows.started.length === runs.length);
    expect(most).toBeLessThanOrEqual(25);
  });

  test('is held up by no run that Temporal refuses', async () => {
    const refused = await leftBehind();
    workflows.refused.add(refused);
    const wish = await wished();
    const run_id = await leftBehind();
    begin();
    await eventually(() => isMarked(run_id));
    await eventually(() => workflows.woken.includes(wish));
    expect(await isMarked(refused)).toBe(false);
  });

  test('repeats wishes until they are closed', async () => {
    const run_id = await wished({ age: '4 seconds' });
    const closed = await wished({ closed: true });
    const fresh = await wished({ age: '-1 minute' });
    begin();
    await eventually(() => workflows.woken.length >= 2, { what: 'a second wake-up' });
    await test_db.db.query('update wishes set closed_at = now() where run_id = $1', [run_id]);
    expect(new Set(workflows.woken)).toEqual(new Set([run_id]));
    expect(workflows.woken).not.toContain(closed);
    expect(workflows.woken).not.toContain(fresh);
  });

  test('repeats an old wish less often, so that no history grows without end', async () => {
    const [rested, due] = [await wished({ age: '1 day' }), await wished({ age: '1 day' })];
    const looked = (run_id: string, ago: string) =>
      test_db.db.query('update wishes set looked_at = now() - $2::interval where run_id = $1', [run_id, ago]);
    await looked(rested, '30 seconds');
    await looked(due, '2 minutes');
    begin();
    await eventually(() => workflows.woken.includes(due));
    expect(workflows.woken).not.toContain(rested);
  });

  test('ends runs whose workflows were closed from outside, and goes on where Temporal does not say which', async () => {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set status = 'running', execution = 'e' where id = $1`, [run_id]);
    closed.away = true;
    begin();
    await eventually(() => faults.includes('The reconciler could not look'));
    closed.away = false;
    closed.listed.set(run_id, new Date());
    closed.newest.set(run_id, { execution: 'e', reason: null });
    await eventually(async () => (await rowOf(test_db.db, run_id))['status'] === 'cancelled');
    const left = await leftBehind();
    await eventually(() => isMarked(left));
  });

  test('forgets keys that expired and keeps the others', async () => {
    const run_id = await newRun(test_db.db);
    for (const [key, expires] of [
      ['old', '-1 minute'],
      ['young', '1 minute'],
    ]) {
      await test_db.db.query(
        `insert into idempotency_keys (tenant, route, key, body_hash, run_id, expires_at)
         values ('tenant', 'route', $1, '\\x00', $2, now() + $3::interval)`,
        [key, run_id, expires],
      );
    }
    begin();
    const keys = () => test_db.db.query('select key from idempotency_keys');
    await eventually(async () => (await keys()).length === 1);
    expect(await keys()).toEqual([{ key: 'young' }]);
  });

  test('forgets what keys have spent on days that are long over', async () => {
    await test_db.db.query(
      `insert into key_spending (key_id, day, tenant, spent_usd)
       select 'key_1', (now() at time zone 'utc')::date - ago, 'tenant', 1 from unnest(array[0, 1, 8]) ago`,
    );
    begin();
    const days = () => test_db.db.query('select day from key_spending');
    await eventually(async () => (await days()).length === 2);
  });

  test('forgets tickets that expired and keeps the others', async () => {
    const { id } = await createApiKey(test_db.db, 'tenant', 'key');
    const key = { id, tenant: 'tenant', scopes: [], limits: {} };
    for (const expires_in_s of [-60, 60, 120]) {
      await createStreamTicket(test_db.db, { key, run_id: null, expires_in_s });
    }
    begin();
    const tickets = () => test_db.db.query('select 1 from stream_tickets where expires_at > now()');
    const all = () => test_db.db.query('select 1 from stream_tickets');
    await eventually(async () => (await all()).length === 2);
    expect(await tickets()).toHaveLength(2);
  });

  test('is one of all processes; another takes over when its connection is lost', async () => {
    const others = fakeWorkflows();
    begin('first reconciler');
    const first = await leftBehind();
    await eventually(() => isMarked(first));
    begin('second reconciler', others);
    const second = await leftBehind();
    await eventually(() => isMarked(second));
    expect([workflows.started.length, others.started.length]).toEqual([2, 0]);

    const lost = open[0]!;
    await kill('first reconciler');
    const third = await leftBehind();
    await eventually(() => isMarked(third));
    // Who was killed at work may finish its look beside the next one: a start that is repeated is none, so nothing is asked here.
    await lost.close();
    const fourth = await leftBehind();
    await eventually(() => isMarked(fourth));
    expect(others.started.map(({ id }) => id)).toContain(fourth);
    expect(workflows.started.map(({ id }) => id)).not.toContain(fourth);
  });

  test('goes on however often connections are lost, and always elects one again', async () => {
    const holders = async () => {
      const rows = await test_db.db.query(
        `select pid from pg_locks where locktype = 'advisory' and objid = 7240003 and granted
           and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.length;
    };
    for (const name of ['one', 'two', 'three']) begin(name);
    for (const name of ['one', 'two', 'three', 'one']) {
      await eventually(async () => (await holders()) === 1, { what: 'one to be elected' });
      await kill(name);
      const run_id = await leftBehind();
      await eventually(() => isMarked(run_id));
    }
    await eventually(async () => (await holders()) === 1, { what: 'one to be elected' });
  });

  test('gives its election back when it stops', async () => {
    const first = begin('first reconciler');
    const run_id = await leftBehind();
    await eventually(() => isMarked(run_id));
    await first.close();
    const others = fakeWorkflows();
    begin('second reconciler', others);
    const next = await leftBehind();
    await eventually(() => isMarked(next));
    expect(others.started.map(({ id }) => id)).toEqual([next]);
  });
});
