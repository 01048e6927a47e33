import { draftPlan } from '../../src/activities/draft-plan';
import { draftPlanWithModel } from '../../src/activities/draft-plan-with-model';
import { handInPlan } from '../../src/activities/hand-in-plan';
import { judgePlan } from '../../src/activities/judge-plan';
import { readWishes } from '../../src/activities/read-wishes';
import { useTool } from '../../src/activities/use-tool';
import { writeAnswer } from '../../src/activities/write-answer';
import type { Ending } from '../../src/contracts/ending';
import { Refusal } from '../../src/contracts/refusal';
import type { ActivityDeps } from '../../src/activities';
import { deleteRun, lockRun } from '../../src/db/runs';
import { cancelRun } from '../../src/runs/cancel';
import { endRun } from '../../src/runs/end-run';
import { inExecution } from '../../src/runs/reopen';
import { AROUND, ECHO, NEVER, depsWith, outside, plannedRun, pure, stepOf, use } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows, fakeWriter } from '../support/fakes';
import { withMinds } from '../support/minds';
import { blocked, eventsOf, gate, newRun, reopen, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const FAILED: Ending = {
  status: 'failed',
  failure: { code: 'step_failed', message: 'A step failed: one.', step_id: 'one' },
};
const TIMED_OUT: Ending = { status: 'timed_out', limit: { kind: 'max_duration_s', value: 60 } };
const BY_WISH: Ending = { status: 'cancelled', by: 'wish' };

const refOf = (run_id: string) => ({ run_id, plan_version: 1 });
/** Carries a step out as the workflow of an execution has it done. */
const useIn = (
  deps: ActivityDeps,
  execution: string,
  run_id: string,
  step_id: string,
  lost: string[] = [],
): ReturnType<typeof useTool> =>
  inExecution(deps.db, { run_id, execution }, () =>
    useTool(deps, { ...refOf(run_id), step_id }, { execution, cancelled: NEVER, lost }),
  );
const end = (run_id: string, ending: Ending, execution = 'e') =>
  endRun(test_db.db, { run_id, ending }, execution);
const cancel = (run_id: string) =>
  cancelRun(
    { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: () => undefined },
    { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1' },
  );
const expectNoGaps = async (run_id: string) => {
  const seqs = (await eventsOf(test_db.db, run_id)).map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, at) => at + 1));
};

/** A tool that fails until it is mended, and how often it was called. */
function breakable(more: Parameters<typeof pure>[2] = {}) {
  const state = { broken: true, calls: 0 };
  const tool = pure(
    'breakable',
    async () => {
      state.calls += 1;
      if (state.broken) throw new Refusal('todo_not_found', 'Nothing there.');
      return { mended: true };
    },
    more,
  );
  return { state, tool };
}

describe('the first activity of a new execution', () => {
  test.each<[string, (run_id: string) => Promise<unknown>]>([
    ['failed', (run_id) => end(run_id, FAILED)],
    ['timed out', (run_id) => end(run_id, TIMED_OUT)],
    ['was cancelled', (run_id) => cancel(run_id).then(() => end(run_id, BY_WISH))],
    [
      'completed',
      (run_id) => writeAnswer(depsWith(test_db.db, [], { writer: fakeWriter('42') }), refOf(run_id), 'e'),
    ],
    ['is at work', async () => undefined],
  ])('reopens a run that %s', async (_, endIt) => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    await endIt(run_id);
    const before = await rowOf(test_db.db, run_id);
    const events = await eventsOf(test_db.db, run_id);

    expect(await useIn(deps, 'e2', run_id, 'one')).toMatchObject({ status: 'completed', wish: null });
    const row = await rowOf(test_db.db, run_id);
    expect(row).toMatchObject({
      ...{ status: 'running', phase: 'executing', attempt: 2, execution: 'e2', past_executions: ['e'] },
      ...{ finished_at: null, error: null, answer: null, status_reason: null },
      started_at: before.started_at,
    });
    expect((row.deadline_at as Date).getTime()).toBeGreaterThan((before.deadline_at as Date).getTime());
    const [reopened, ...rest] = (await eventsOf(test_db.db, run_id)).slice(events.length);
    expect(reopened).toMatchObject({
      type: 'run.reopened',
      attempt: 2,
      data: { attempt: 2, actor: 'temporal' },
    });
    expect(rest.map(({ type, attempt }) => [type, attempt])).toEqual([
      ['step.started', 2],
      ['step.completed', 2],
    ]);
    await expectNoGaps(run_id);
  });

  test('reopens it once, also where several come at the same moment', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const ids = ['one', 'two', 'three', 'four'];
    const run_id = await plannedRun(
      deps,
      ids.map((id) => ({ id, tool: 'echo' })),
    );
    await end(run_id, TIMED_OUT);
    // Holds the row of the run until all of them have seen that their execution is new.
    const { opened, open } = gate();
    const held = gate();
    const holder = test_db.db.transaction(async (tx) => {
      await lockRun(tx, run_id);
      held.open();
      await opened;
    });
    await held.opened;
    const using = ids.map((id) => useIn(deps, 'e2', run_id, id));
    await blocked(test_db.owner, ids.length);
    open();
    await holder;
    const results = await Promise.all(using);
    expect(results.map(({ status }) => status)).toEqual(ids.map(() => 'completed'));
    expect((await typesOf(test_db.db, run_id)).filter((type) => type === 'run.reopened')).toHaveLength(1);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ attempt: 2, past_executions: ['e'] });
    await expectNoGaps(run_id);
  });

  test('may be the end of the run: then the new attempt has an end of its own', async () => {
    const { tool } = breakable();
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'breakable' }]);
    await use(deps, run_id, 'one');
    await end(run_id, FAILED);
    const endAgain = () =>
      inExecution(test_db.db, { run_id, execution: 'e2' }, () => end(run_id, FAILED, 'e2'));
    expect(await endAgain()).toEqual({ status: 'failed' });
    expect(await endAgain()).toEqual({ status: 'failed' });
    expect((await typesOf(test_db.db, run_id)).slice(-3)).toEqual([
      'run.failed',
      'run.reopened',
      'run.failed',
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ error: { cause: { code: 'todo_not_found' } } });
  });

  test('of a reset of a reset reopens the run once more', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    for (const execution of ['e2', 'e3']) await useIn(deps, execution, run_id, 'one');
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ attempt: 3, past_executions: ['e', 'e2'] });
    for (const execution of ['e', 'e2'])
      await expect(useIn(deps, execution, run_id, 'one')).rejects.toMatchObject({ code: 'superseded' });
  });

  test('leaves a run waiting that waits for the answer to a question, and the question open', async () => {
    const unsafe = outside('unsafe', 'unsafe', () => Promise.reject(new Error('The connection was lost.')));
    const deps = depsWith(test_db.db, [unsafe]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'unsafe' }]);
    expect(await useTool(deps, { ...refOf(run_id), step_id: 'one' }, AROUND)).toMatchObject({
      status: 'waiting',
    });
    expect(await useIn(deps, 'e2', run_id, 'one')).toMatchObject({ status: 'waiting' });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      status: 'waiting',
      phase: 'attention',
      attempt: 2,
    });
    expect((await typesOf(test_db.db, run_id)).slice(-1)).toEqual(['run.reopened']);
    expect(await readWishes(deps, { run_id }, 'e2')).toMatchObject({ waiting: ['one'] });
  });

  test('begins without the wish of the attempt before', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    await cancel(run_id);
    expect(
      await inExecution(test_db.db, { run_id, execution: 'e2' }, () => readWishes(deps, { run_id }, 'e2')),
    ).toMatchObject({ wish: null });
    expect(await useIn(deps, 'e2', run_id, 'one')).toMatchObject({ wish: null });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'running' });
    expect(
      await test_db.db.query('select 1 from wishes where run_id = $1 and closed_at is null', [run_id]),
    ).toEqual([]);
  });
});

describe('the first execution', () => {
  test('of a run that was cancelled before it came is no reset; one after it is', async () => {
    const deps = depsWith(test_db.db);
    const run_id = await newRun(test_db.db);
    await cancel(run_id);
    await expect(draftPlan(deps, { run_id, round: 1 }, 'e')).rejects.toMatchObject({ code: 'run_over' });
    expect(await end(run_id, { status: 'failed', failure: { code: 'run_over', message: 'over' } })).toEqual({
      status: 'cancelled',
    });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      attempt: 1,
      status: 'cancelled',
      execution: 'e',
    });
    await reopen(test_db.db, run_id);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      attempt: 2,
      status: 'running',
      phase: 'planning',
    });
  });

  test('is noted by a draft of a model before anything is drafted, and by an end', async () => {
    const { deps } = withMinds(test_db.db, new Refusal('model_unknown', 'no such'));
    const drafting = await newRun(test_db.db);
    await draftPlanWithModel(deps, { run_id: drafting, round: 1 }, AROUND).catch(() => undefined);
    const ended = await newRun(test_db.db);
    await end(ended, TIMED_OUT);
    for (const run_id of [drafting, ended])
      expect(await rowOf(test_db.db, run_id)).toMatchObject({ execution: 'e', past_executions: [] });
  });
});

describe('an execution from before a reset', () => {
  test.each(['instant', 'tools'] as const)(
    'stores nothing of what it has under way (lane %s)',
    async (lane) => {
      const { opened, open } = gate();
      const called = gate();
      const slow = pure('slow', () => (called.open(), opened.then(() => 'old')), { lane });
      const deps = depsWith(test_db.db, [slow]);
      const run_id = await plannedRun(deps, [{ id: 'one', tool: 'slow' }]);
      const old = useIn(deps, 'e', run_id, 'one');
      await called.opened;
      await reopen(test_db.db, run_id);
      const events = await eventsOf(test_db.db, run_id);
      open();
      await expect(old).rejects.toMatchObject({ code: 'superseded' });
      expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ output: null });
      expect(await eventsOf(test_db.db, run_id)).toEqual(events);
      expect(await useIn(deps, 'e2', run_id, 'one')).toMatchObject({ status: 'completed' });
    },
  );

  test.each<[string, (deps: ActivityDeps, run_id: string) => Promise<unknown>]>([
    ['draftPlan', (deps, run_id) => draftPlan(deps, { run_id, round: 1 }, 'e')],
    ['draftPlanWithModel', (deps, run_id) => draftPlanWithModel(deps, { run_id, round: 2 }, AROUND)],
    ['judgePlan', (deps, run_id) => judgePlan(deps, { run_id, round: 1 }, AROUND)],
    ['useTool', (deps, run_id) => use(deps, run_id, 'one')],
    ['writeAnswer', (deps, run_id) => writeAnswer(deps, refOf(run_id), 'e')],
    ['handInPlan', (deps, run_id) => handInPlan(deps, refOf(run_id), 'e')],
    ['readWishes', (deps, run_id) => readWishes(deps, { run_id }, 'e')],
    ['endRun', (_, run_id) => end(run_id, TIMED_OUT)],
  ])('may not begin anything: %s', async (_, act) => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    await reopen(test_db.db, run_id);
    const before = [await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)];
    await expect(act(deps, run_id)).rejects.toMatchObject({ code: 'superseded' });
    expect([await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)]).toEqual(before);
  });
});

describe('a run that was removed', () => {
  test.each<[string, (deps: ActivityDeps, run_id: string) => Promise<unknown>]>([
    ['draftPlan', (deps, run_id) => draftPlan(deps, { run_id, round: 1 }, 'e2')],
    ['useTool', (deps, run_id) => useIn(deps, 'e2', run_id, 'one')],
    ['writeAnswer', (deps, run_id) => writeAnswer(deps, refOf(run_id), 'e2')],
    ['handInPlan', (deps, run_id) => handInPlan(deps, refOf(run_id), 'e2')],
    ['readWishes', (deps, run_id) => readWishes(deps, { run_id }, 'e2')],
    ['endRun', (_, run_id) => end(run_id, TIMED_OUT, 'e2')],
  ])('is not there for a reset of its workflow either, which ends: %s', async (_, act) => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    await end(run_id, TIMED_OUT);
    await test_db.db.transaction((tx) => deleteRun(tx, 'tenant', run_id, null));
    await expect(act(deps, run_id)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a step in a run that was reset', () => {
  test('that completed is not carried out again; what failed, and what was cancelled for it, is', async () => {
    const { state, tool } = breakable();
    let echoes = 0;
    const counting = pure('counting', async () => (echoes += 1));
    const deps = depsWith(test_db.db, [tool, counting]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'counting' },
      { id: 'two', tool: 'breakable', needs: ['one'] },
      { id: 'three', tool: 'counting', needs: ['two'] },
    ]);
    await use(deps, run_id, 'one');
    await use(deps, run_id, 'two');
    await end(run_id, FAILED);
    const failed = await stepOf(test_db.db, run_id, 'two');

    state.broken = false;
    for (const id of ['one', 'two', 'three'])
      expect(await useIn(deps, 'e2', run_id, id)).toMatchObject({ status: 'completed', skipped: [] });
    expect([echoes, state.calls]).toEqual([2, 2]);
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({
      ...{ status: 'completed', failure: null, attempt: 2, tries: 0, effect_scope: failed.effect_scope },
      output: { mended: true },
    });
    expect((await typesOf(test_db.db, run_id)).slice(-5)).toEqual([
      ...[
        'run.reopened',
        'step.started two',
        'step.completed two',
        'step.started three',
        'step.completed three',
      ],
    ]);
  });

  test('that fails again stays failed in that attempt', async () => {
    const { state, tool } = breakable();
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'breakable' }]);
    await use(deps, run_id, 'one');
    for (const _ of [1, 2])
      expect(await useIn(deps, 'e2', run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(state.calls).toBe(2);
  });

  test('has its condition asked again', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const never = { ref: 'one.n', op: 'eq' as const, value: 2 };
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'echo', input: { n: 1 } },
      { id: 'two', tool: 'echo', when: never },
      { id: 'three', tool: 'echo', needs: ['two'] },
    ]);
    await use(deps, run_id, 'one');
    const skipped = { step_id: 'two', status: 'skipped', skipped: ['three'], wish: null };
    expect(await use(deps, run_id, 'two')).toEqual(skipped);
    expect(await useIn(deps, 'e2', run_id, 'two')).toEqual(skipped);
    expect((await typesOf(test_db.db, run_id)).slice(-3)).toEqual([
      ...['run.reopened', 'step.skipped two', 'step.skipped three'],
    ]);
  });

  test('that the workflow knows to have failed stays so, and counts for what is skipped', async () => {
    const { state, tool } = breakable();
    const deps = depsWith(test_db.db, [tool]);
    const both = { needs: ['one', 'two'], join: 'any' as const };
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'breakable', on_failure: 'continue' },
      { id: 'two', tool: 'breakable', on_failure: 'continue' },
      { id: 'three', tool: 'breakable', ...both },
    ]);
    await use(deps, run_id, 'one');
    expect(await useIn(deps, 'e2', run_id, 'two', ['one'])).toMatchObject({ skipped: ['three'] });
    expect(state.calls).toBe(2);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'failed' });
  });

  test('that the workflow does not know of does not count for what is skipped', async () => {
    const { state, tool } = breakable();
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'breakable', on_failure: 'continue' },
      { id: 'two', tool: 'breakable', on_failure: 'continue' },
      { id: 'three', tool: 'breakable', needs: ['one'] },
      { id: 'four', tool: 'breakable', needs: ['two'] },
    ]);
    await use(deps, run_id, 'one');
    expect(await useIn(deps, 'e2', run_id, 'two')).toMatchObject({ skipped: ['four'] });
    state.broken = false;
    for (const id of ['one', 'three'])
      expect(await useIn(deps, 'e2', run_id, id)).toMatchObject({ status: 'completed' });
  });

  test('has all its tries again, however often the run is reset', async () => {
    const flaky = pure('flaky', () => Promise.reject(new Error('Not now.')), {
      lane: 'tools',
      max_attempts: 2,
    });
    const deps = depsWith(test_db.db, [flaky]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'flaky' }]);
    for (let attempt = 1; attempt <= 8; attempt += 1) {
      const execution = attempt === 1 ? 'e' : `e${attempt}`;
      await expect(useIn(deps, execution, run_id, 'one')).rejects.toThrow('Not now.');
      expect(await useIn(deps, execution, run_id, 'one')).toMatchObject({ status: 'failed' });
      expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({
        tries: 2,
        failure: { code: 'tool_error' },
      });
    }
    await expectNoGaps(run_id);
  });
});
