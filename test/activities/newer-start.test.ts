import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { createActivities } from '../../src/activities';
import { takeUpStep } from '../../src/db/steps';
import { endRun } from '../../src/runs/end-run';
import { depsWith, interrupted, NEVER, outside, plannedRun, pure, stepOf, use } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { gate, reopen, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** Runs an activity as a try that Temporal has begun. */
function asActivity<T>(act: () => Promise<T>): Promise<T> {
  const info = { workflowExecution: { runId: 'e' }, isLocal: true };
  return asyncLocalStorage.run({ info, cancellationSignal: NEVER } as unknown as Context, act);
}

test('A try whose step an older, slower try has taken over is tried again: the run does not end by it', async () => {
  const ends: (() => void)[] = [];
  const called = [gate(), gate()];
  const tool = outside('idempotent', 'send', (_input, { attempt }) => {
    called[attempt - 1]?.open();
    if (attempt > called.length) return Promise.resolve({});
    return new Promise((resolve) => ends.push(() => resolve({})));
  });
  const deps = depsWith(test_db.db, [tool]);
  const ref = {
    run_id: await plannedRun(deps, [{ id: 'send', tool: 'send' }]),
    plan_version: 1,
    step_id: 'send',
  };
  const again = (db = test_db.db) => asActivity(() => createActivities({ ...deps, db }).useTool(ref));

  // Temporal has given the older one up while it was stopped ahead of its number, and listens to this one.
  let current!: Promise<unknown>;
  const older = again(
    interrupted(test_db.db, async () => {
      current = again();
      await called[0]!.opened;
    }),
  );
  await called[1]!.opened;
  ends[0]!();
  await expect(current).rejects.toMatchObject({ type: 'superseded', nonRetryable: false });
  expect(await again()).toMatchObject({ status: 'completed' });
  ends[1]!();
  expect(await older).toMatchObject({ status: 'completed' });
});

test.each(['instant', 'tools'] as const)(
  'What a start from before a Reset brings is refused, though its step is to be carried out again (%s)',
  async (lane) => {
    const called = gate();
    const { opened, open } = gate();
    const call = () => {
      called.open();
      return opened.then(() => 'late');
    };
    const deps = depsWith(test_db.db, [pure('slow', call, { lane })]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'slow' }]);
    const late = use(deps, run_id, 'one');
    late.catch(() => undefined); // asked for later
    await called.opened;
    await endRun(test_db.db, { run_id, ending: { status: 'cancelled', by: 'temporal' } }, 'e');
    await reopen(test_db.db, run_id);
    const ref = { run_id, plan_version: 1, step_id: 'one' };
    await test_db.db.transaction((tx) => takeUpStep(tx, ref, 2, []));
    const before = await stepOf(test_db.db, run_id, 'one');
    open();
    await expect(late).rejects.toMatchObject({ code: 'superseded' });
    expect(await stepOf(test_db.db, run_id, 'one')).toEqual(before);
    expect(before).toMatchObject({ status: 'pending', output: null });
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('run.reopened');
  },
);
