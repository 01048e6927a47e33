import { append, type NewEvent } from '../../src/events/append';
import { carryOutInstantly } from '../../src/activities/carry-out-instantly';
import type { ActivityDeps } from '../../src/activities/deps';
import { draftPlanWithModel } from '../../src/activities/draft-plan-with-model';
import { writeAnswerWithModel } from '../../src/activities/write-answer-with-model';
import { Interrupted } from '../../src/contracts/interrupted';
import { Refusal } from '../../src/contracts/refusal';
import { lockTry } from '../../src/db/runs';
import { Unavailable } from '../../src/db/unavailable';
import type { Models } from '../../src/llm/model';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import type { Said } from '../support/fake-models';
import { around, STEPS, withMinds } from '../support/minds';
import { RULES, blocked, eventsOf, gate, newRun, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const PLAN = JSON.stringify(STEPS);
const made = (...says: Said[]) => withMinds(test_db.db, ...says);
const run = () => newRun(test_db.db, { rules: { ...RULES, judge_enabled: false } });
const draft = (deps: ActivityDeps, run_id: string) =>
  draftPlanWithModel(deps, { run_id, round: 1 }, around());
const answer = (deps: ActivityDeps, run_id: string) =>
  writeAnswerWithModel(deps, { run_id, plan_version: 1 }, around());
const told = async (run_id: string, ...types: string[]) =>
  (await eventsOf(test_db.db, run_id))
    .filter(({ type }) => types.includes(type))
    .map(({ type, data }) => ({ type, ...(data as object) }));
/** Requests that were sent for a piece of a run's work. */
const calls = async (run_id: string, purpose: string) =>
  Number(
    (
      await test_db.db.query(
        'select sum(calls) as sent from model_calls where run_id = $1 and purpose = $2',
        [run_id, purpose],
      )
    )[0]!.sent,
  );

/** A run whose plan a model drafted and whose step is done. */
async function carriedOut(deps: ActivityDeps): Promise<string> {
  const run_id = await run();
  const drafted = await draft(deps, run_id);
  if (drafted.status !== 'drafted') throw new Error('The plan was rejected.');
  await carryOutInstantly(
    deps,
    { run_id, outline: drafted.outline, rules: RULES, ended: [], running: [] },
    around(),
  );
  return run_id;
}

/** A run whose first try at a plan waits for its model until `later` opens; the model answers another try at once. */
async function drafting() {
  const later = gate();
  const { deps } = made(() => later.opened.then(() => PLAN), PLAN);
  const run_id = await run();
  const older = draft(deps, run_id);
  older.catch(() => undefined);
  await eventually(async () => (await told(run_id, 'plan.started')).length === 1);
  return { run_id, deps, older, later };
}

/** What the first try of a piece shows, stored and not committed yet. @returns commits it */
async function aboutToShow(run_id: string, name: string, event: NewEvent): Promise<() => Promise<unknown>> {
  const shown = gate();
  const wanted = gate();
  const showing = test_db.db.transaction(async (tx) => {
    await lockTry(tx, { run_id, name }, 1);
    await append(tx, run_id, { attempt: 1, events: [event] });
    shown.open();
    await wanted.opened;
  });
  await shown.opened;
  return () => {
    wanted.open();
    return showing;
  };
}

const fail = (): never => {
  throw new Error('The worker dies here.');
};

describe('a plan that two workers draft at once', () => {
  test('hears nothing more of an older try once a later one has begun', async () => {
    const { run_id, deps, older, later } = await drafting();
    await draft(deps, run_id);
    const before = await told(run_id, 'plan.started', 'plan.step_drafted', 'plan.created');
    later.open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    expect(await told(run_id, 'plan.started', 'plan.step_drafted', 'plan.created')).toEqual(before);
  });

  test('is shown anew where an older try shows a step at the moment at which a later one begins', async () => {
    const { run_id, deps, older, later } = await drafting();
    const data = { round: 1, step: STEPS[0]! };
    const show = await aboutToShow(run_id, 'plan:1', { key: 'step', type: 'plan.step_drafted', data });
    const newer = draft(deps, run_id);
    await blocked(test_db.owner, 1);
    await show();
    await newer;
    later.open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    const types = (await told(run_id, 'plan.started', 'plan.step_drafted')).map(({ type }) => type);
    expect(types).toEqual([
      'plan.started',
      'plan.step_drafted',
      'plan.started',
      ...STEPS.map(() => 'plan.step_drafted'),
    ]);
  });

  test('shows its steps anew also when its workflow was begun again, whose tries are counted from one', async () => {
    const { deps } = made(PLAN);
    const run_id = await run();
    const dying = { ...deps, tools: { ...deps.tools, get: () => fail() } };
    await expect(draft(dying, run_id)).rejects.toThrow('dies');
    await draft(deps, run_id);
    expect(await told(run_id, 'plan.started', 'plan.step_drafted')).toHaveLength(4);
  });
});

test('An answer is bought once though Postgres was away while it came', async () => {
  const text = 'It is 1. '.repeat(200);
  const { deps } = made(PLAN);
  const run_id = await carriedOut(deps);
  let is_away = false;
  let lost = 0;
  const db: ActivityDeps['db'] = {
    ...test_db.db,
    async transaction(work) {
      if (!is_away) return test_db.db.transaction(work);
      lost += 1;
      throw new Unavailable(new Error('away'));
    },
  };
  const models: Models = {
    async call(_request, { before, after, onText, signal }) {
      await before({ name: 'fake/1', model: 'fake-1' } as never);
      is_away = true;
      onText?.(text);
      await eventually(() => lost === 1);
      is_away = false;
      if (signal.aborted) throw new Interrupted();
      const reply = { text, model: 'fake-1', endpoint: 'fake/1', usage: null };
      await after(reply);
      return reply;
    },
  };
  const away = { ...deps, db, minds: { ...deps.minds!, models } };
  await expect(answer(away, run_id)).rejects.toBeInstanceOf(Unavailable);
  await answer(deps, run_id); // its models have nothing more to say
  expect(await told(run_id, 'output.reset', 'generation.delta', 'run.completed')).toMatchObject([
    { type: 'generation.delta', attempt: 2, text },
    { type: 'run.completed', answer: text },
  ]);
});

describe('an answer that two workers write at once', () => {
  test('begins anew also when the workflow was begun again, whose tries are counted from one', async () => {
    const { deps } = made(PLAN, new Refusal('model_timeout', 'slow'), 'It is 1.');
    const run_id = await carriedOut(deps);
    await expect(answer(deps, run_id)).rejects.toMatchObject({ code: 'model_timeout' });
    const data = { text: 'It', attempt: 1 };
    const shown: NewEvent = { key: 'answer:delta:1:1', type: 'generation.delta', data };
    await append(test_db.db, run_id, { attempt: 1, events: [shown] });
    await answer(deps, run_id);
    expect(await told(run_id, 'output.reset', 'generation.delta')).toMatchObject([
      { attempt: 1, text: 'It' },
      { type: 'output.reset', attempt: 2 },
      { attempt: 2, text: 'It is 1.' },
    ]);
  });

  test('begins anew where an older try shows a word at the moment at which a later one begins', async () => {
    const older_text = gate();
    const { deps } = made(PLAN, () => older_text.opened.then(() => 'old'));
    const run_id = await carriedOut(deps);
    const older = answer(deps, run_id);
    older.catch(() => undefined);
    await eventually(async () => (await told(run_id, 'generation.started')).length === 1);
    const data = { text: 'old', attempt: 1 };
    const show = await aboutToShow(run_id, 'answer', { key: 'word', type: 'generation.delta', data });
    const { deps: elsewhere } = made('new');
    const newer = answer(elsewhere, run_id);
    await blocked(test_db.owner, 1);
    await show();
    await newer;
    older_text.open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    expect(await told(run_id, 'output.reset', 'generation.delta')).toMatchObject([
      { attempt: 1, text: 'old' },
      { type: 'output.reset', attempt: 2 },
      { attempt: 2, text: 'new' },
    ]);
  });

  test('has no word of an older try after a later one has begun', async () => {
    const older_text = gate();
    const { deps } = made(PLAN, () => older_text.opened.then(() => 'old '.repeat(300)));
    const run_id = await carriedOut(deps);
    const older = answer(deps, run_id);
    older.catch(() => undefined);
    await eventually(async () => (await told(run_id, 'generation.started')).length === 1);
    const newer_text = gate();
    const { deps: elsewhere } = made(() => newer_text.opened.then(() => 'new'));
    const newer = answer(elsewhere, run_id);
    await eventually(async () => (await calls(run_id, 'answer')) === 2);
    older_text.open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    newer_text.open();
    await newer;
    expect(await told(run_id, 'generation.delta', 'run.completed')).toMatchObject([
      { type: 'generation.delta', attempt: 2, text: 'new' },
      { type: 'run.completed', answer: expect.any(String) },
    ]);
  });

  test('is no template because an older try failed while a later one asks', async () => {
    const older_fails = gate();
    const { deps } = made(PLAN, () =>
      older_fails.opened.then(() => Promise.reject(new Refusal('model_declined', 'no'))),
    );
    const run_id = await carriedOut(deps);
    const older = answer(deps, run_id);
    older.catch(() => undefined);
    await eventually(async () => (await calls(run_id, 'answer')) === 1);
    const newer_text = gate();
    const { deps: elsewhere } = made(() => newer_text.opened.then(() => 'new'));
    const newer = answer(elsewhere, run_id);
    await eventually(async () => (await calls(run_id, 'answer')) === 2);
    older_fails.open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    newer_text.open();
    await newer;
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ answer: 'new', degraded: null });
  });
});
