import { ClosedRuns } from '../../src/runs/closed-runs';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeClosed, type FakeClosed } from '../support/fakes';
import { eventsOf, newRun, reopen, rowOf } from '../support/runs';

const MINUTE_MS = 60_000;

describe('runs whose workflows were closed from outside', () => {
  let test_db: TestDatabase;
  let closed: FakeClosed;
  let runs: ClosedRuns;
  const faults: string[] = [];
  const now = new Date();
  const later = (minutes: number) => new Date(now.getTime() + minutes * MINUTE_MS);
  beforeEach(async () => {
    test_db = await createTestDatabase();
    closed = fakeClosed();
    faults.length = 0;
    runs = new ClosedRuns(test_db.db, closed, (what) => void faults.push(what));
  });
  afterEach(() => test_db.drop());

  /** A run at work whose workflow has that execution. */
  async function begun(execution = 'e'): Promise<string> {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set status = 'running', execution = $2 where id = $1`, [
      run_id,
      execution,
    ]);
    return run_id;
  }
  /** What Temporal says once an operator has terminated an execution. */
  function terminated(
    run_id: string,
    { execution = 'e', reason = 'Enough.' as string | null, at = later(1) } = {},
  ): void {
    closed.listed.set(run_id, at);
    closed.newest.set(run_id, { execution, reason });
  }
  const lastOf = async (run_id: string) => (await eventsOf(test_db.db, run_id)).at(-1);
  const statusOf = async (run_id: string) => (await rowOf(test_db.db, run_id)).status;

  test('end as cancelled by Temporal, with the reason of the operator', async () => {
    const [run_id, silent, untouched] = [await begun(), await begun(), await begun()];
    terminated(run_id);
    terminated(silent, { reason: null });
    await runs.look(2 * MINUTE_MS);
    expect(await lastOf(run_id)).toMatchObject({
      type: 'run.cancelled',
      attempt: 1,
      data: { actor: 'temporal', reason: 'Enough.' },
    });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelled', status_reason: 'Enough.' });
    expect(await lastOf(silent)).toMatchObject({ type: 'run.cancelled', data: { reason: null } });
    expect(await statusOf(untouched)).toBe('running');
    expect(faults).toEqual([]);
  });

  test('end also when nobody had begun them', async () => {
    const run_id = await newRun(test_db.db);
    terminated(run_id);
    await runs.look(2 * MINUTE_MS);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelled', execution: 'e' });
  });

  test('are left alone where a newer workflow goes on', async () => {
    const run_id = await begun();
    closed.listed.set(run_id, later(1)); // by a Reset: what is newest is open
    await runs.look(2 * MINUTE_MS);
    expect(closed.described).toEqual([run_id]);
    expect(await statusOf(run_id)).toBe('running');
    expect(faults).toEqual([]);
  });

  test('are left alone where a Reset came between the look at Temporal and the one at the run', async () => {
    const run_id = await begun();
    terminated(run_id);
    const newestOf = closed.newestOf.bind(closed);
    closed.newestOf = async (id) => {
      const workflow = await newestOf(id);
      await reopen(test_db.db, id);
      return workflow;
    };
    await runs.look(2 * MINUTE_MS);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'running', attempt: 2 });
    expect(faults).toEqual([]);
  });

  test('whose Reset was terminated before it did anything end in the attempt that it began', async () => {
    const run_id = await begun();
    terminated(run_id, { execution: 'e2' });
    await runs.look(2 * MINUTE_MS);
    expect((await eventsOf(test_db.db, run_id)).slice(-2)).toMatchObject([
      { type: 'run.reopened', attempt: 2 },
      { type: 'run.cancelled', attempt: 2 },
    ]);
  });

  test('that are over are not looked at', async () => {
    const run_id = await begun();
    await test_db.db.query(`update runs set status = 'completed' where id = $1`, [run_id]);
    await begun();
    terminated(run_id);
    await runs.look(2 * MINUTE_MS);
    expect(closed.described).toEqual([]);
    expect(await statusOf(run_id)).toBe('completed');
  });

  test('are asked for since a day before the oldest open run until one is found, then since the newest', async () => {
    const oldest = await begun();
    const at = later(-60);
    await test_db.db.query('update runs set created_at = $2 where id = $1', [oldest, at]);
    await runs.look(10 * MINUTE_MS);
    const found = await begun();
    terminated(found, { at: later(-5) });
    await runs.look(11 * MINUTE_MS);
    // The list may name one late that was closed before the newest; later it does not.
    await runs.look(12 * MINUTE_MS);
    await runs.look(13 * MINUTE_MS);
    const first = later(-60 - 24 * 60);
    expect(closed.asked).toEqual([first, first, later(-6), later(-5)]);
    runs.forget();
    await runs.look(14 * MINUTE_MS);
    expect(closed.asked.at(-1)).toEqual(first);
  });

  test.each([
    ['ahead of', -10],
    ['behind', 10],
  ])('are found by every look where the clock of Postgres is %s that of Temporal', async (_how, minutes) => {
    for (const look of [1, 2, 3, 30, 31, 600]) {
      const run_id = await begun();
      await runs.look(look * MINUTE_MS);
      terminated(run_id, { at: later(minutes + look) });
      await runs.look((look + 0.1) * MINUTE_MS);
      expect(await statusOf(run_id)).toBe('cancelled');
    }
  });

  test('are not asked for where no run is open', async () => {
    await runs.look(0);
    expect(closed.asked).toEqual([]);
  });

  test('are found later when Temporal was away, or one could not be ended', async () => {
    const run_id = await begun();
    terminated(run_id);
    closed.away = true;
    await expect(runs.look(2 * MINUTE_MS)).rejects.toThrow('away');
    closed.away = false;
    const newestOf = closed.newestOf.bind(closed);
    closed.newestOf = () => Promise.reject(new Error('Temporal is busy'));
    await runs.look(20 * MINUTE_MS);
    expect(faults).toEqual([`Run ${run_id}, whose workflow was closed, could not be ended`]);
    closed.newestOf = newestOf;
    await runs.look(40 * MINUTE_MS);
    expect(await statusOf(run_id)).toBe('cancelled');
  });
});
