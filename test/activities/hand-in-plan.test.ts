import { handInPlan } from '../../src/activities/hand-in-plan';
import { cancelRun } from '../../src/runs/cancel';
import { ECHO, depsWith, plannedRun, stepOf } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows } from '../support/fakes';
import { eventsOf, reopen, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const planned = async () => {
  const deps = depsWith(test_db.db, [ECHO]);
  const run_id = await plannedRun(deps, [
    { id: 'one', tool: 'echo' },
    { id: 'two', tool: 'echo', needs: ['one'] },
  ]);
  return { deps, run_id, ref: { run_id, plan_version: 1 } };
};

describe('handing a plan in', () => {
  test('completes the run without an answer, carries no step out, and says so once', async () => {
    const { deps, run_id, ref } = await planned();
    expect(await handInPlan(deps, ref, 'e')).toEqual({ wish: null });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'completed', phase: null, answer: null });
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({ status: 'skipped', output: null });
    expect((await typesOf(test_db.db, run_id)).slice(-3)).toEqual([
      'step.skipped one',
      'step.skipped two',
      'run.completed',
    ]);
    const events = await eventsOf(test_db.db, run_id);
    expect(await handInPlan(deps, ref, 'e')).toEqual({ wish: null });
    expect(await eventsOf(test_db.db, run_id)).toEqual(events);
  });

  test('that was reset is done again', async () => {
    const { deps, run_id, ref } = await planned();
    await handInPlan(deps, ref, 'e');
    const execution = await reopen(test_db.db, run_id);
    expect(await handInPlan(deps, ref, execution)).toEqual({ wish: null });
    expect((await typesOf(test_db.db, run_id)).slice(-4)).toEqual([
      ...['run.reopened', 'step.skipped one', 'step.skipped two', 'run.completed'],
    ]);
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({ status: 'skipped', attempt: 2 });
  });

  test('leaves a run that is being cancelled to its end', async () => {
    const { deps, run_id, ref } = await planned();
    await cancelRun(
      { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: () => undefined },
      { tenant: 'tenant', run_id, reason: null, actor: 'key_1' },
    );
    expect(await handInPlan(deps, ref, 'e')).toEqual({ wish: 'cancel' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'pending' });
  });
});
