import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { createActivities } from '../../src/activities';
import { depsWith, interrupted, NEVER, outside, plannedRun } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { gate } from '../support/runs';

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
  const use = (db = test_db.db) => asActivity(() => createActivities({ ...deps, db }).useTool(ref));

  // Temporal has given the older one up while it was stopped ahead of its number, and listens to this one.
  let current!: Promise<unknown>;
  const older = use(
    interrupted(test_db.db, async () => {
      current = use();
      await called[0]!.opened;
    }),
  );
  await called[1]!.opened;
  ends[0]!();
  await expect(current).rejects.toMatchObject({ type: 'superseded', nonRetryable: false });
  expect(await use()).toMatchObject({ status: 'completed' });
  ends[1]!();
  expect(await older).toMatchObject({ status: 'completed' });
});
