import { draftPlan } from '../../src/activities/draft-plan';
import { readWishes } from '../../src/activities/read-wishes';
import { useTool } from '../../src/activities/use-tool';
import { letGo, noteStartedAgain } from '../../src/db/lost-runs';
import { cancelRun } from '../../src/runs/cancel';
import { inExecution } from '../../src/runs/reopen';
import type { Tool } from '../../src/tools/tool';
import {
  AROUND,
  NEVER,
  depsWith,
  outside,
  plannedRun,
  pure,
  stepOf,
  use,
  type ShortStep,
} from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows } from '../support/fakes';
import { eventsOf, gate, rowOf, typesOf } from '../support/runs';

describe('a workflow that was started in the place of one that Temporal has lost', () => {
  let test_db: TestDatabase;
  beforeEach(async () => void (test_db = await createTestDatabase()));
  afterEach(() => test_db.drop());

  const planned = async (tools: Tool[], steps: ShortStep[]) => {
    const deps = depsWith(test_db.db, tools);
    return { deps, run_id: await plannedRun(deps, steps) };
  };
  const startAgain = async (run_id: string) => {
    await letGo(test_db.db, { id: run_id, deadline_at: new Date(Date.now() + 60_000) });
    await noteStartedAgain(test_db.db, run_id, 'e2');
  };
  /** A step, as the new workflow asks for it. */
  const useAgain = (deps: ReturnType<typeof depsWith>, run_id: string, step_id: string) =>
    inExecution(deps.db, { run_id, execution: 'e2' }, () =>
      useTool(deps, { run_id, plan_version: 1, step_id }, { execution: 'e2', cancelled: NEVER }),
    );

  test('is told what was stored, also failures and skips, and does the rest in the same attempt', async () => {
    let calls = 0;
    const counting = pure('counting', async () => (calls += 1));
    const failing = pure('failing', () => Promise.reject(new Error('No.')), { max_attempts: 1 });
    const { deps, run_id } = await planned(
      [counting, failing],
      [
        { id: 'one', tool: 'counting' },
        { id: 'two', tool: 'failing', on_failure: 'continue' },
        { id: 'three', tool: 'counting', needs: ['two'] },
        { id: 'four', tool: 'counting', needs: ['one'] },
      ],
    );
    await use(deps, run_id, 'one');
    await use(deps, run_id, 'two');
    await startAgain(run_id);
    const events = await eventsOf(test_db.db, run_id);
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e2')).toMatchObject({ status: 'drafted' });
    expect(await useAgain(deps, run_id, 'one')).toMatchObject({ status: 'completed' });
    expect(await useAgain(deps, run_id, 'two')).toMatchObject({ status: 'failed', skipped: ['three'] });
    expect(await eventsOf(test_db.db, run_id)).toEqual(events);
    expect(await useAgain(deps, run_id, 'four')).toMatchObject({ status: 'completed' });
    expect(calls).toBe(2);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      attempt: 1,
      execution: 'e2',
      past_executions: ['e'],
    });
    expect(await typesOf(test_db.db, run_id)).not.toContain('run.reopened');
  });

  test('calls no unsafe tool again that was under way, but has a person asked', async () => {
    const { opened, open } = gate();
    const called = gate();
    let calls = 0;
    const unsafe = outside('unsafe', 'unsafe', () => ((calls += 1), called.open(), opened));
    const { deps, run_id } = await planned([unsafe], [{ id: 'one', tool: 'unsafe' }]);
    const old = use(deps, run_id, 'one');
    await called.opened;
    await startAgain(run_id);
    expect(await useAgain(deps, run_id, 'one')).toMatchObject({ status: 'waiting' });
    open();
    await expect(old).rejects.toThrow('waits for a person');
    expect(calls).toBe(1);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'waiting', attempt: 1 });
  });

  test('heeds the wish to cancel that came before it', async () => {
    const { deps, run_id } = await planned(
      [pure('echo', async (input) => input)],
      [{ id: 'one', tool: 'echo' }],
    );
    await cancelRun(
      { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: () => undefined },
      { tenant: 'tenant', run_id, reason: null, actor: 'key_1' },
    );
    await startAgain(run_id);
    const wishes = () =>
      inExecution(test_db.db, { run_id, execution: 'e2' }, () => readWishes(deps, { run_id }, 'e2'));
    expect(await wishes()).toMatchObject({ wish: 'cancel' });
  });

  test('alone writes from then on', async () => {
    const { deps, run_id } = await planned(
      [pure('echo', async (input) => input)],
      [{ id: 'one', tool: 'echo' }],
    );
    await startAgain(run_id);
    await expect(useTool(deps, { run_id, plan_version: 1, step_id: 'one' }, AROUND)).rejects.toMatchObject({
      code: 'superseded',
    });
  });
});
