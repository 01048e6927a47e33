import { draftPlan } from '../../src/activities/draft-plan';
import { judgePlan } from '../../src/activities/judge-plan';
import type { Draft } from '../../src/planning/planner';
import { cancelRun } from '../../src/runs/cancel';
import { ECHO, depsWith, interrupted, stepOf, AROUND } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { atOnce, fakeJudge, fakePlanner, fakeWorkflows } from '../support/fakes';
import { RULES, eventsOf, newRun, reopen, rowOf, typesOf } from '../support/runs';

const PLAN: Draft = {
  kind: 'plan',
  steps: [
    { id: 'one', tool: 'echo', input: { x: 1 } },
    { id: 'two', tool: 'echo', input: { y: '{one.x}' } },
  ],
};
const UNSOUND: Draft = { kind: 'plan', steps: [{ id: 'one', tool: 'nowhere', input: {} }] };
const GOOD = { is_valid: true, confidence: 0.9, issues: [], suggestions: [] };
const BAD = { is_valid: false, confidence: 0.9, issues: ['It is wrong.'], suggestions: ['Mend it.'] };

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

function made(brain: Parameters<typeof depsWith>[2]) {
  return depsWith(test_db.db, [ECHO], brain);
}
const cancel = (run_id: string) =>
  cancelRun(
    { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: fail },
    { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1' },
  );
const fail = (...what: unknown[]) => {
  throw new Error(`unexpected: ${String(what)}`);
};

describe('drafting a plan', () => {
  test('stores it with its steps and facts, and returns it again without asking', async () => {
    const planner = fakePlanner(PLAN);
    const run_id = await newRun(test_db.db);
    const deps = made({ planner });
    const drafted = await draftPlan(deps, { run_id, round: 1 }, 'e');
    expect(drafted).toEqual({
      status: 'drafted',
      to_judge: true,
      wish: null,
      outline: {
        plan_version: 1,
        steps: [
          { id: 'one', needs: [], join: 'all', on_failure: 'stop', lane: 'instant', timeout_s: 5 },
          { id: 'two', needs: ['one'], join: 'all', on_failure: 'stop', lane: 'instant', timeout_s: 5 },
        ],
      },
    });
    const before = [await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)];
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual(drafted);
    expect([await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)]).toEqual(before);
    expect(await typesOf(test_db.db, run_id)).toEqual([
      'run.created',
      'run.status',
      'plan.started',
      'plan.created',
    ]);
    expect(before[0]).toMatchObject({
      status: 'running',
      phase: 'planning',
      plan_version: null, // nobody has accepted it yet
      rounds: 1,
      execution: 'e',
    });
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({ status: 'pending', needs: ['one'] });
    expect(planner.requests).toMatchObject([{ goal: 'a goal', max_steps: RULES.max_steps, feedback: [] }]);
  });

  test('returns one plan to two workers at once', async () => {
    const other: Draft = { kind: 'plan', steps: [{ id: 'other', tool: 'echo', input: {} }] };
    const run_id = await newRun(test_db.db);
    const deps = made({ planner: fakePlanner(...atOnce<Draft>(PLAN, other)) });
    const drafted = await Promise.all([1, 2].map(() => draftPlan(deps, { run_id, round: 1 }, 'e')));
    expect(drafted[0]).toEqual(drafted[1]);
    expect(await typesOf(test_db.db, run_id)).toEqual([
      'run.created',
      'run.status',
      'plan.started',
      'plan.created',
    ]);
    expect(await test_db.db.query('select 1 from plans where run_id = $1', [run_id])).toHaveLength(1);
  });

  test('stores a plan that does not pass the check with its findings, which the next round is told', async () => {
    const planner = fakePlanner(UNSOUND, PLAN);
    const run_id = await newRun(test_db.db);
    const deps = made({ planner });
    for (const _ of [1, 2]) {
      expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual({ status: 'rejected', wish: null });
    }
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ plan_version: null, rounds: 1 });
    expect(await draftPlan(deps, { run_id, round: 2 }, 'e')).toMatchObject({ status: 'drafted' });
    const finding = expect.objectContaining({ code: 'unknown_tool', pointer: '/steps/0/tool' });
    expect(planner.requests[1]?.feedback).toEqual([
      { findings: [finding], steps: [{ id: 'one', tool: 'nowhere', input: {} }] },
    ]);
    expect((await eventsOf(test_db.db, run_id)).slice(2)).toMatchObject([
      { type: 'plan.started', data: { round: 1 } },
      { type: 'plan.rejected', data: { version: 1, findings: [finding] } },
      { type: 'plan.started', data: { round: 2 } },
      { type: 'plan.created', data: { version: 2 } },
    ]);
  });

  test('stores that a goal was not understood and says it again, until a new attempt of the run asks anew', async () => {
    const planner = fakePlanner({ kind: 'not_understood', detail: 'What?' }, PLAN);
    const run_id = await newRun(test_db.db);
    const deps = made({ planner });
    for (const _ of [1, 2]) {
      await expect(draftPlan(deps, { run_id, round: 1 }, 'e')).rejects.toMatchObject({
        code: 'goal_not_understood',
        message: 'What?',
      });
    }
    const execution = await reopen(test_db.db, run_id);
    expect(await draftPlan(deps, { run_id, round: 1 }, execution)).toMatchObject({ status: 'drafted' });
    expect(await typesOf(test_db.db, run_id)).toEqual([
      ...['run.created', 'run.status', 'plan.started'],
      ...['run.reopened', 'plan.started', 'plan.created'],
    ]);
  });

  test('stores nothing when the planner fails, so that it is asked again', async () => {
    const run_id = await newRun(test_db.db);
    const deps = made({ planner: fakePlanner(new Error('The model is away.'), PLAN) });
    await expect(draftPlan(deps, { run_id, round: 1 }, 'e')).rejects.toThrow('The model is away.');
    expect(await typesOf(test_db.db, run_id)).toEqual(['run.created']);
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toMatchObject({ status: 'drafted' });
  });

  test('ends a run by a given plan that does not pass', async () => {
    const run_id = await newRun(test_db.db, { plan: { steps: UNSOUND.steps } });
    for (const _ of [1, 2]) {
      await expect(draftPlan(made({}), { run_id, round: 1 }, 'e')).rejects.toMatchObject({
        code: 'invalid_plan',
      });
    }
    expect(await typesOf(test_db.db, run_id)).toEqual([
      'run.created',
      'run.status',
      'plan.started',
      'plan.rejected',
    ]);
  });

  test('takes a given plan without asking anybody, and begins with it', async () => {
    const run_id = await newRun(test_db.db, { plan: { steps: PLAN.steps } });
    expect(await draftPlan(made({}), { run_id, round: 1 }, 'e')).toMatchObject({
      status: 'drafted',
      to_judge: false,
    });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'running', phase: 'executing' });
  });

  test('is refused for a run that is over, also when it ends meanwhile', async () => {
    const run_id = await newRun(test_db.db);
    const late = made({ planner: fakePlanner(() => cancel(run_id).then(() => PLAN)) });
    await expect(draftPlan(late, { run_id, round: 1 }, 'e')).rejects.toMatchObject({ code: 'run_over' });
    await expect(draftPlan(made({}), { run_id, round: 1 }, 'e')).rejects.toMatchObject({ code: 'run_over' });
    expect(await typesOf(test_db.db, run_id)).toEqual(['run.created', 'run.cancelled']);
    expect(await test_db.db.query('select 1 from plans where run_id = $1', [run_id])).toEqual([]);
  });

  test('takes text that Postgres does not as no plan, instead of trying for ever', async () => {
    const run_id = await newRun(test_db.db);
    const steps = [
      { id: 'one', tool: 'echo', title: 'half \ud83d', input: { text: 'a\u0000b', 'k\u0000': 1 } },
    ];
    const planner = fakePlanner(
      { kind: 'plan', steps },
      { kind: 'not_understood', detail: 'NUL \u0000 and \ud83d' },
    );
    const deps = made({ planner });
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toMatchObject({ status: 'rejected' });
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'plan.rejected',
      data: { findings: [{ code: 'invalid_input', pointer: '/steps' }] },
    });
    await expect(draftPlan(deps, { run_id, round: 2 }, 'e')).rejects.toMatchObject({
      code: 'goal_not_understood',
    });
  });
});

describe('drafting a plan with an instant judge', () => {
  const instant = (...answers: unknown[]) => ({ ...fakeJudge(...answers), instant: true });

  test('stores plan and verdict together, and returns both again without asking', async () => {
    const run_id = await newRun(test_db.db);
    const deps = made({ planner: fakePlanner(PLAN), judge: instant(GOOD) });
    const drafted = await draftPlan(deps, { run_id, round: 1 }, 'e');
    expect(drafted).toMatchObject({ status: 'drafted', to_judge: false, wish: null });
    const before = [await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)];
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual(drafted);
    expect([await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)]).toEqual(before);
    expect((await eventsOf(test_db.db, run_id)).slice(1)).toMatchObject([
      { type: 'run.status', data: { status: 'running', phase: 'planning', previous: 'queued' } },
      { type: 'plan.started' },
      { type: 'plan.created' },
      { type: 'judge.started', data: { plan_version: 1 } },
      { type: 'judge.verdict', data: { ...GOOD, accepted: true, threshold: RULES.judge_threshold } },
      { type: 'run.status', data: { status: 'running', phase: 'executing', previous: 'running' } },
    ]);
    expect(before[0]).toMatchObject({ status: 'running', phase: 'executing', plan_version: 1 });
    const [plan] = await test_db.db.query('select * from plans where run_id = $1', [run_id]);
    expect(plan).toMatchObject({ verdict: GOOD, accepted: true, judged_by: 'fake judge' });
    expect(plan!.judged_at).toBeInstanceOf(Date);
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toEqual({ accepted: true, wish: null });
  });

  test.each([
    ['no', BAD, BAD],
    ['what cannot be read', 'accepted', { is_valid: false, confidence: 0 }],
  ])('rejects when the judge says %s, and tells the next round', async (_, answer, verdict) => {
    const run_id = await newRun(test_db.db);
    const planner = fakePlanner(PLAN, PLAN);
    const deps = made({ planner, judge: instant(answer, GOOD) });
    for (const _again of [1, 2]) {
      expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual({ status: 'rejected', wish: null });
    }
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'planning', plan_version: null });
    expect(await draftPlan(deps, { run_id, round: 2 }, 'e')).toMatchObject({
      status: 'drafted',
      to_judge: false,
    });
    expect(planner.requests[1]!.feedback).toMatchObject([{ findings: [], verdict }]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'executing', plan_version: 2 });
  });

  test('asks nobody about a given plan, nor about one that does not pass the check', async () => {
    const given = await newRun(test_db.db, { plan: { steps: PLAN.steps } });
    expect(await draftPlan(made({ judge: instant() }), { run_id: given, round: 1 }, 'e')).toMatchObject({
      to_judge: false,
    });
    const run_id = await newRun(test_db.db);
    const deps = made({ planner: fakePlanner(UNSOUND), judge: instant() });
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toMatchObject({ status: 'rejected' });
  });

  test('does not call a run running that is cancelled meanwhile, and passes the wish on', async () => {
    const run_id = await newRun(test_db.db);
    const planner = fakePlanner(PLAN, () => cancel(run_id).then(() => PLAN));
    const deps = made({ planner, judge: instant(BAD, GOOD) });
    await draftPlan(deps, { run_id, round: 1 }, 'e');
    expect(await draftPlan(deps, { run_id, round: 2 }, 'e')).toMatchObject({ wish: 'cancel' });
    expect((await typesOf(test_db.db, run_id)).slice(6)).toEqual([
      ...['run.status', 'plan.started', 'plan.created', 'judge.started', 'judge.verdict'],
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelling', phase: null });
  });
});

describe('judging a plan', () => {
  async function drafted(judge: ReturnType<typeof fakeJudge>) {
    const run_id = await newRun(test_db.db);
    const deps = made({ planner: fakePlanner(PLAN), judge });
    await draftPlan(deps, { run_id, round: 1 }, 'e');
    return { run_id, deps };
  }

  test('stores what the judge says and returns it again without asking', async () => {
    const judge = fakeJudge(GOOD);
    const { run_id, deps } = await drafted(judge);
    for (const _ of [1, 2]) {
      expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toEqual({ accepted: true, wish: null });
    }
    expect(judge.requests).toMatchObject([{ goal: 'a goal', steps: PLAN.steps }]);
    expect((await eventsOf(test_db.db, run_id)).slice(4)).toMatchObject([
      { type: 'judge.started', data: { plan_version: 1 } },
      {
        type: 'judge.verdict',
        data: { ...GOOD, accepted: true, threshold: RULES.judge_threshold, plan_version: 1 },
      },
      { type: 'run.status', data: { status: 'running', phase: 'executing' } },
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'executing' });
  });

  test('tells the next round what was wrong', async () => {
    const { run_id, deps } = await drafted(fakeJudge(BAD));
    for (const _ of [1, 2])
      expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: false });
    const planner = fakePlanner(PLAN);
    await draftPlan({ ...deps, planner }, { run_id, round: 2 }, 'e');
    expect(planner.requests[0]?.feedback).toEqual([
      { findings: [], verdict: BAD, steps: [expect.anything(), expect.anything()] },
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'planning', plan_version: null });
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'accepted'],
    ['a confidence beyond 1', { ...GOOD, confidence: 1.1 }],
    ['no confidence', { is_valid: true, issues: [], suggestions: [] }],
    ['a text where a truth is asked for', { ...GOOD, is_valid: 'true' }],
    ['a member too many', { ...GOOD, accepted: true }],
    ['no number', { ...GOOD, confidence: NaN }],
    ['text that cannot be stored', { ...GOOD, issues: ['NUL \u0000'] }],
    ['half a character', { ...GOOD, suggestions: ['\ud83d'] }],
  ])('rejects when the judge says %s', async (_, answer) => {
    const { run_id, deps } = await drafted(fakeJudge(answer));
    for (const _ of [1, 2])
      expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: false });
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'judge.verdict',
      data: {
        is_valid: false,
        confidence: 0,
        accepted: false,
        issues: [expect.stringContaining('could not be read')],
      },
    });
  });

  test.each([
    [0.5, false],
    [0.500001, true],
    [0, false],
    [1, true],
  ])('asks for more than the threshold: %d is accepted: %s', async (confidence, accepted) => {
    const { run_id, deps } = await drafted(fakeJudge({ ...GOOD, confidence }));
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted });
  });

  test('is closed to a valid plan that is not valid, however sure the judge is', async () => {
    const { run_id, deps } = await drafted(fakeJudge({ ...BAD, confidence: 1 }));
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: false });
  });

  test('stores one verdict when two workers judge at once', async () => {
    const { run_id, deps } = await drafted(fakeJudge(...atOnce(GOOD, BAD)));
    const judged = await Promise.all([1, 2].map(() => judgePlan(deps, { run_id, round: 1 }, AROUND)));
    expect(judged[0]?.accepted).toBe(judged[1]?.accepted);
    const types = await typesOf(test_db.db, run_id);
    expect(types.filter((type) => type === 'judge.verdict')).toHaveLength(1);
  });

  test('asks again when the judge fails', async () => {
    const { run_id, deps } = await drafted(fakeJudge(new Error('away'), GOOD));
    await expect(judgePlan(deps, { run_id, round: 1 }, AROUND)).rejects.toThrow('away');
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: true });
  });

  test('does not call a run running that is cancelled meanwhile, and passes the wish on', async () => {
    const { run_id, deps } = await drafted(fakeJudge(GOOD));
    const late = { ...deps, db: interrupted(test_db.db, () => cancel(run_id)) };
    expect(await judgePlan(late, { run_id, round: 1 }, AROUND)).toEqual({ accepted: true, wish: 'cancel' });
    expect(await typesOf(test_db.db, run_id)).toEqual([
      ...['run.created', 'run.status', 'plan.started', 'plan.created', 'judge.started'],
      ...['run.status', 'judge.verdict'],
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelling', phase: null });
  });
});
