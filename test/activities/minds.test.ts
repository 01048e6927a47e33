import { carryOutInstantly } from '../../src/activities/carry-out-instantly';
import type { ActivityDeps } from '../../src/activities/deps';
import { draftPlan } from '../../src/activities/draft-plan';
import { draftPlanWithModel } from '../../src/activities/draft-plan-with-model';
import { handInPlan } from '../../src/activities/hand-in-plan';
import { judgePlan } from '../../src/activities/judge-plan';
import { writeAnswerWithModel } from '../../src/activities/write-answer-with-model';
import { Refusal } from '../../src/contracts/refusal';
import type { Rules } from '../../src/contracts/rules';
import type { Records } from '../../src/db/database';
import { lockRun } from '../../src/db/runs';
import { append, type NewEvent } from '../../src/events/append';
import { cancelRun } from '../../src/runs/cancel';
import { AROUND } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import type { Said } from '../support/fake-models';
import { fakeWorkflows } from '../support/fakes';
import { around, STEPS, withMinds } from '../support/minds';
import { RULES, blocked, eventsOf, gate, newRun, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const GOOD = JSON.stringify({ is_valid: true, confidence: 0.9, issues: [], suggestions: [] });
const BAD = JSON.stringify({ is_valid: false, confidence: 0.9, issues: ['No.'], suggestions: [] });

const made = (...says: Said[]) => withMinds(test_db.db, ...says);
const run = (rules: Partial<Rules> = {}) => newRun(test_db.db, { rules: { ...RULES, ...rules } });
const told = async (run_id: string, ...types: string[]) =>
  (await eventsOf(test_db.db, run_id))
    .filter(({ type }) => types.includes(type))
    .map(({ type, data }) => ({ type, ...(data as object) }));
const draft = (deps: ActivityDeps, run_id: string, round = 1) =>
  draftPlanWithModel(deps, { run_id, round }, around());
const cancel = (run_id: string, records: Records = test_db.db) =>
  cancelRun(
    { records, workflows: fakeWorkflows(), onNotWoken: () => undefined },
    { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1' },
  );
/** A run whose plan a model drafted, accepted, and whose step is done. */
async function carriedOut(deps: ActivityDeps, rules: Partial<Rules> = {}): Promise<string> {
  const run_id = await run({ judge_enabled: false, ...rules });
  const drafted = await draft(deps, run_id);
  if (drafted.status !== 'drafted') throw new Error('The plan was rejected.');
  const chain = { run_id, outline: drafted.outline, rules: RULES, ended: [], running: [] };
  expect(await carryOutInstantly(deps, chain, around())).toMatchObject({ answered: false });
  return run_id;
}

describe('a goal that patterns do not understand', () => {
  test('is left to a model, and nothing is stored', async () => {
    const { deps } = made();
    const run_id = await run();
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual({ status: 'needs_model', wish: null });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'queued', rounds: 0 });
  });

  test('gets a plan whose steps are shown as they come, judged by a model, answered by a model', async () => {
    const { deps, models } = made(JSON.stringify(STEPS));
    const run_id = await run();
    expect(await draft(deps, run_id)).toMatchObject({
      status: 'drafted',
      to_judge: true,
      judge: 'llm',
      outline: { answer: 'llm', steps: [{ id: 'one' }] },
    });
    expect((await eventsOf(test_db.db, run_id)).map(({ type }) => type)).toEqual([
      'run.created',
      'run.status',
      'plan.started',
      'run.usage',
      'plan.step_drafted',
      'plan.created',
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      status: 'running',
      phase: 'planning',
      rounds: 1,
    });
    const again = await draft(deps, run_id);
    expect(again).toMatchObject({ status: 'drafted', judge: 'llm' });
    expect(models.requests).toHaveLength(1);
  });

  test('is told when steps that were shown do not count', async () => {
    const { deps } = made('again');
    const run_id = await run();
    await draft(deps, run_id);
    expect(await told(run_id, 'plan.started', 'plan.step_drafted')).toMatchObject([
      { type: 'plan.started', round: 1, source: 'model' },
      { step: { id: 'void' } },
      { type: 'plan.started' },
      { step: { id: 'one' } },
    ]);
  });

  test('shows its steps anew when a worker died, and buys nothing again', async () => {
    const { deps, models } = made(JSON.stringify(STEPS));
    const run_id = await run();
    const dying = { ...deps, tools: { ...deps.tools, get: () => fail() } };
    await expect(draft(dying, run_id)).rejects.toThrow('dies');
    await draft(deps, run_id);
    expect(await told(run_id, 'plan.started', 'plan.step_drafted', 'plan.created')).toMatchObject([
      { type: 'plan.started' },
      { type: 'plan.step_drafted' },
      { type: 'plan.started' },
      { type: 'plan.step_drafted' },
      { type: 'plan.created' },
    ]);
    expect(models.requests).toHaveLength(1);
  });

  test('is not planned when somebody wishes the run to stop', async () => {
    const { deps, models } = made();
    const run_id = await carriedOutBefore();
    await cancel(run_id);
    expect(await draft(deps, run_id, 2)).toEqual({ status: 'rejected', wish: 'cancel' });
    expect(models.requests).toHaveLength(0);
  });

  test('keeps the wish to be cancelled that comes while a model plans, and when it began', async () => {
    const later = gate();
    const { deps } = made(() => later.opened.then(() => JSON.stringify(STEPS)));
    const run_id = await run();
    const drafting = draft(deps, run_id);
    await eventually(async () => (await told(run_id, 'plan.started')).length === 1);
    const { started_at } = await rowOf(test_db.db, run_id);
    await cancel(run_id);
    later.open();
    expect(await drafting).toMatchObject({ status: 'drafted', wish: 'cancel' });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelling', started_at });
  });

  test('stops asking when the run is ended under it', async () => {
    const { deps } = made('waits');
    const run_id = await run();
    const stop = new AbortController();
    const drafting = draftPlanWithModel(deps, { run_id, round: 1 }, { ...around(), cancelled: stop.signal });
    await eventually(async () => (await told(run_id, 'plan.started')).length === 1);
    stop.abort();
    await expect(drafting).rejects.toThrow();
  });
});

/** A run with a rejected first round. */
async function carriedOutBefore(): Promise<string> {
  const { deps } = made(JSON.stringify(STEPS), BAD);
  const run_id = await run();
  await draft(deps, run_id);
  await judgePlan(deps, { run_id, round: 1 }, AROUND);
  return run_id;
}

const fail = (): never => {
  throw new Error('The worker dies here.');
};

describe('the judge of a model plan', () => {
  async function judged(says: Said, rules: Partial<Rules> = {}) {
    const { deps, models } = made(JSON.stringify(STEPS), says);
    const run_id = await run(rules);
    await draft(deps, run_id);
    return { run_id, deps, models, judged: judgePlan(deps, { run_id, round: 1 }, AROUND) };
  }

  test('accepts it, and the run goes on', async () => {
    const { run_id, judged: verdict } = await judged(GOOD);
    expect(await verdict).toEqual({ accepted: true, wish: null });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'executing', plan_version: 1 });
  });

  test('is told to look at it while it does', async () => {
    let run_id = '';
    const { judged: verdict, ...given } = await judged(async () => {
      expect(await told(run_id, 'judge.started', 'judge.verdict')).toMatchObject([{ type: 'judge.started' }]);
      return GOOD;
    });
    run_id = given.run_id;
    await verdict;
    expect(await told(run_id, 'judge.started')).toHaveLength(1);
  });

  test('is not asked about a run that is to be cancelled', async () => {
    const { deps, models } = made(JSON.stringify(STEPS));
    const run_id = await run();
    await draft(deps, run_id);
    await cancel(run_id);
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toEqual({ accepted: false, wish: 'cancel' });
    expect(models.requests).toHaveLength(1);
  });

  test('is not asked where the run wants none', async () => {
    const { deps } = made(JSON.stringify(STEPS));
    const run_id = await run({ judge_enabled: false });
    expect(await draft(deps, run_id)).toMatchObject({ to_judge: false });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'executing', plan_version: 1 });
  });

  test('is handed in, where the plan alone is asked for', async () => {
    const { deps } = made(JSON.stringify(STEPS), GOOD);
    const run_id = await run({ mode: 'plan_only' });
    expect(await draft(deps, run_id)).toMatchObject({ to_judge: true });
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: true });
    expect(await handInPlan(deps, { run_id, plan_version: 1 }, 'e')).toEqual({ wish: null });
    expect((await eventsOf(test_db.db, run_id)).map(({ type }) => type).slice(-5)).toEqual([
      'judge.started',
      'run.usage',
      'judge.verdict',
      'step.skipped',
      'run.completed',
    ]);
  });

  test('is not asked for a run that is to be cancelled', async () => {
    const { deps, models } = made(JSON.stringify(STEPS), GOOD);
    const run_id = await run();
    await draft(deps, run_id);
    await cancel(run_id);
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toEqual({ accepted: false, wish: 'cancel' });
    expect(models.left()).toBe(1);
  });

  test('never sees a plan that the check rejects', async () => {
    const { deps, models } = made(JSON.stringify([{ id: 'one', tool: 'nowhere', input: {} }]));
    const run_id = await run();
    expect(await draft(deps, run_id)).toMatchObject({ status: 'rejected' });
    expect(models.requests).toHaveLength(1);
  });

  test('is not asked again about the same plan', async () => {
    const { deps, models } = made(JSON.stringify(STEPS), BAD, JSON.stringify(STEPS));
    const run_id = await run();
    for (const round of [1, 2]) {
      await draft(deps, run_id, round);
      expect(await judgePlan(deps, { run_id, round }, AROUND)).toMatchObject({ accepted: false });
    }
    expect(models.left()).toBe(0);
  });

  test('does not keep the last plan from being carried out where the run says so', async () => {
    const { deps } = made(JSON.stringify(STEPS), BAD, JSON.stringify([{ ...STEPS[0], id: 'two' }]), BAD);
    const run_id = await run({ on_exhausted: 'run', max_replans: 1 });
    await draft(deps, run_id);
    expect(await judgePlan(deps, { run_id, round: 1 }, AROUND)).toMatchObject({ accepted: false });
    await draft(deps, run_id, 2);
    expect(await judgePlan(deps, { run_id, round: 2 }, AROUND)).toMatchObject({ accepted: true });
    expect(await told(run_id, 'judge.verdict')).toMatchObject([
      { accepted: false },
      { accepted: true, is_valid: false, exhausted: true },
    ]);
    expect((await told(run_id, 'plan.created'))[1]).toMatchObject({
      diff: { added: ['two'], removed: ['one'], changed: [] },
    });
  });

  test('who cannot be asked is stood in for by rules, but only to accept', async () => {
    const { run_id, judged: verdict } = await judged(new Refusal('model_unknown', 'no such model'));
    await expect(verdict).rejects.toMatchObject({ code: 'model_unknown' });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ degraded: null });

    const calculated = [{ id: 'a', tool: 'calculator', input: { expression: '2 + 2' } }];
    const { deps } = made(JSON.stringify(calculated), new Refusal('model_key_refused', 'bad key'));
    const other = await run();
    await test_db.db.query(`update runs set goal = 'calculate 2 + 2' where id = $1`, [other]);
    await draft(deps, other);
    expect(await judgePlan(deps, { run_id: other, round: 1 }, AROUND)).toMatchObject({ accepted: true });
    const degraded = { part: 'judge', code: 'model_key_refused', message: 'bad key' };
    expect(await told(other, 'judge.verdict')).toMatchObject([{ accepted: true, degraded }]);
    expect(await rowOf(test_db.db, other)).toMatchObject({ degraded });
  });

  test.each([
    [0, 0, false],
    [0, 0.01, true],
    [1, 1, false],
  ])('with a threshold of %p and a confidence of %p: %p', async (judge_threshold, confidence, accepted) => {
    const verdict = JSON.stringify({ is_valid: true, confidence, issues: [], suggestions: [] });
    expect(await (await judged(verdict, { judge_threshold })).judged).toMatchObject({ accepted });
  });

  test('is closed on what it cannot read', async () => {
    expect(await (await judged('{"is_valid": true}')).judged).toMatchObject({ accepted: false });
  });
});

describe('the answer of a model', () => {
  test('is shown as it comes, in few events, and stored with the end of the run', async () => {
    const text = 'The result is 1 [one]. '.repeat(200);
    const { deps } = made(JSON.stringify(STEPS), text);
    const run_id = await carriedOut(deps);
    expect(await writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around())).toEqual({ wish: null });
    const deltas = await told(run_id, 'generation.delta');
    expect(deltas.map((delta) => (delta as unknown as { text: string }).text).join('')).toBe(text);
    expect(deltas.length).toBeLessThan(10);
    expect(
      (await told(run_id, 'run.status', 'generation.started', 'generation.completed', 'run.completed')).slice(
        -4,
      ),
    ).toMatchObject([
      { type: 'run.status', phase: 'answering', previous: 'running' },
      { model: 'model/medium' },
      { text },
      { answer: text },
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'completed', answer: text, phase: null });
    expect(await writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around())).toEqual({ wish: null });
  });

  test('begins anew on another try: what was shown is void', async () => {
    const { deps } = made(JSON.stringify(STEPS), new Refusal('model_timeout', 'slow'), 'It is 1.');
    const run_id = await carriedOut(deps);
    const ref = { run_id, plan_version: 1 };
    await expect(writeAnswerWithModel(deps, ref, around())).rejects.toMatchObject({ code: 'model_timeout' });
    const shown: NewEvent = {
      key: 'answer:delta:1:1',
      type: 'generation.delta',
      data: { text: 'It', attempt: 1 },
    };
    await append(test_db.db, run_id, { attempt: 1, events: [shown] });
    await writeAnswerWithModel(deps, ref, around());
    expect(
      await told(run_id, 'generation.started', 'output.reset', 'generation.delta', 'generation.completed'),
    ).toMatchObject([
      { type: 'generation.started' },
      { type: 'generation.delta', attempt: 1, text: 'It' },
      { type: 'output.reset', attempt: 2 },
      { type: 'generation.delta', attempt: 2, text: 'It is 1.' },
      { type: 'generation.completed' },
    ]);
  });

  test('is not bought for a run that is to be cancelled', async () => {
    const { deps, models } = made(JSON.stringify(STEPS));
    const run_id = await carriedOut(deps);
    await cancel(run_id);
    const requests = models.requests.length;
    expect(await writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around())).toEqual({
      wish: 'cancel',
    });
    expect(models.requests).toHaveLength(requests);
    expect(await told(run_id, 'run.status')).not.toContainEqual(
      expect.objectContaining({ phase: 'answering' }),
    );
  });

  test('is a template where no model can be asked, and says so', async () => {
    const { deps } = made(JSON.stringify(STEPS), new Refusal('model_declined', 'I will not.'));
    const run_id = await carriedOut(deps);
    await writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around());
    const degraded = { part: 'answer', code: 'model_declined', message: 'I will not.' };
    expect(await told(run_id, 'generation.completed')).toMatchObject([{ degraded }]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'completed', degraded });
  });

  test('ends the run where its budget does not allow it', async () => {
    const { deps } = made(JSON.stringify(STEPS));
    const run_id = await carriedOut(deps, { max_tokens: 1_050 });
    await expect(writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around())).rejects.toMatchObject({
      code: 'budget_exceeded',
    });
  });

  test('is not told to begin in a run that was wished cancelled just before', async () => {
    const { deps } = made(JSON.stringify(STEPS), 'text');
    const run_id = await carriedOut(deps);
    let writing!: Promise<unknown>;
    await test_db.db.transaction(async (tx) => {
      await lockRun(tx, run_id);
      writing = writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around());
      await blocked(test_db.owner, 1);
      await cancel(run_id, { ...tx, transaction: (work) => work(tx) });
    });
    expect(await writing).toEqual({ wish: 'cancel' });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelling', phase: null });
    expect((await told(run_id, 'run.status')).at(-1)).toMatchObject({ status: 'cancelling' });
  });

  test('does not complete a run that is to be cancelled', async () => {
    const { deps } = made(JSON.stringify(STEPS), 'text');
    const run_id = await carriedOut(deps);
    await cancel(run_id);
    expect(await writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around())).toEqual({
      wish: 'cancel',
    });
  });
});
