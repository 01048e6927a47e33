import { draftPlan } from '../../src/activities/draft-plan';
import { handInPlan } from '../../src/activities/hand-in-plan';
import { endRun } from '../../src/runs/end-run';
import type { CommittedFacts } from '../../src/contracts/fact';
import type { RunEvent } from '../../src/contracts/event';
import type { Step } from '../../src/contracts/plan';
import { openDatabase } from '../../src/db/database';
import { cancelRun } from '../../src/runs/cancel';
import type { Asked } from '../../src/runs/decide-rerun';
import { foreseeRerun } from '../../src/runs/rerun';
import { AROUND, plannedRun, stepOf } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakePlanner, fakeWorkflows } from '../support/fakes';
import {
  LARGE,
  LIMITS,
  PLAN,
  RESTART,
  playOut,
  repeat,
  repeatable,
  rerunDeps,
  submission,
} from '../support/reruns';
import { RULES, eventsOf, newRun, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
let world: ReturnType<typeof repeatable>;
beforeAll(async () => {
  test_db = await createTestDatabase();
  world = repeatable(test_db.db);
});
afterAll(() => test_db.drop());

const deps = () => world.deps;
const failedRun = () => world.failedRun();
const ask = (...args: Parameters<typeof world.ask>) => world.ask(...args);
const runs = async () => (await test_db.db.query('select 1 from runs')).length;
const from = (id: string): Asked => ({ type: 'restart', from: id });
const dataOf = (events: RunEvent[], type: RunEvent['type']) =>
  events.find((event) => event.type === type)!.data;

describe('a restarted run', () => {
  test('is there at once, queued, with its plan, and what is taken over is told before it begins', async () => {
    const old = await failedRun();
    await test_db.db.query(
      `update runs set metadata = '{"a": "1"}', tags = '{x}', "user" = 'ann' where id = $1`,
      [old],
    );
    const before = await rowOf(test_db.db, old);
    const { run, replayed } = await ask(old, { ...RESTART, reason: 'mended' });
    expect(replayed).toBe(false);
    const origin = { type: 'restart', run_id: old, from: 'failed', reason: 'mended' };
    expect(run).toMatchObject({
      status: 'queued',
      attempt: 1,
      plan_version: 1,
      rounds: 1,
      steps_total: 3,
      steps_done: 2,
      goal: 'a goal',
      user: 'ann',
      metadata: { a: '1' },
      tags: ['x'],
      origin,
      root_run_id: old,
      started_at: null,
    });
    const created_at = run.created_at.toISOString();
    const events = await eventsOf(test_db.db, run.id);
    expect(events.map(({ seq, type, step_id, data }) => ({ seq, type, step_id, data }))).toEqual([
      {
        seq: 1,
        type: 'run.created',
        data: { run: expect.objectContaining({ id: run.id, origin, created_at }) },
      },
      {
        seq: 2,
        type: 'plan.created',
        data: { version: 1, source: 'restart', steps: PLAN, edges: [['one', 'two']] },
      },
      {
        seq: 3,
        type: 'step.completed',
        step_id: 'one',
        data: { output: { n: 1 }, duration_ms: expect.any(Number), reused: true },
      },
      {
        seq: 4,
        type: 'step.completed',
        step_id: 'large',
        data: {
          output_ref: { bytes: expect.any(Number), url: `/v1/runs/${run.id}/steps/large` },
          duration_ms: expect.any(Number),
          reused: true,
        },
      },
    ]);
    expect(await stepOf(test_db.db, run.id, 'large')).toMatchObject({
      status: 'completed',
      reused: true,
      output: { text: LARGE },
      effect_scope: old,
    });
    expect(await stepOf(test_db.db, run.id, 'two')).toMatchObject({
      status: 'pending',
      reused: false,
      output: null,
      tries: 0,
      effect_scope: old,
    });
    expect(await rowOf(test_db.db, old)).toEqual({
      ...before,
      superseded_by: run.id,
      revision: String(Number(before.revision) + 1),
      updated_at: expect.any(Date),
    });
  });

  test('is heard of by those who watch, once it is committed; what it took over is no news', async () => {
    const heard: string[] = [];
    const onFacts = ({ run_id, facts }: CommittedFacts) =>
      void heard.push(...facts.map(({ type }) => `${type} ${run_id}`));
    const watched = openDatabase({ url: test_db.url, pool: 1, name: 'watched', onFacts });
    const old = await failedRun();
    const { run } = await ask(old, RESTART, {}, { records: watched });
    await expect(ask(old, from('nine'), {}, { records: watched })).rejects.toMatchObject({
      code: 'unknown_step',
    });
    await watched.close();
    expect(heard).toEqual([`run.created ${run.id}`, `plan.created ${run.id}`]);
  });

  test('says that it has begun when a worker takes it, once, and asks nobody for a plan', async () => {
    const { run } = await ask(await failedRun(), RESTART);
    const drafts = await Promise.all(
      [1, 2].map(() => draftPlan(deps(), { run_id: run.id, round: 1 }, AROUND.execution)),
    );
    expect(drafts[1]).toEqual(drafts[0]);
    expect(drafts[0]).toMatchObject({
      status: 'drafted',
      to_judge: false,
      wish: null,
      outline: {
        steps: [
          { id: 'one', reused: 'completed' },
          { id: 'large', reused: 'completed' },
          expect.not.objectContaining({ reused: expect.anything() }),
        ],
      },
    });
    expect(await rowOf(test_db.db, run.id)).toMatchObject({
      status: 'running',
      phase: 'executing',
      execution: AROUND.execution,
      started_at: expect.any(Date),
    });
    expect((await typesOf(test_db.db, run.id)).filter((type) => type === 'run.status')).toHaveLength(1);
  });

  test('that is cancelled before a worker takes it has done nothing', async () => {
    const { run } = await ask(await failedRun(), RESTART);
    const wish = { tenant: 'tenant', run_id: run.id, reason: null, actor: 'key_1' };
    const workflows = fakeWorkflows();
    await cancelRun({ records: test_db.db, workflows, onNotWoken: () => undefined }, wish);
    await expect(draftPlan(deps(), { run_id: run.id, round: 1 }, AROUND.execution)).rejects.toMatchObject({
      code: 'run_over',
    });
    expect(await rowOf(test_db.db, run.id)).toMatchObject({ status: 'cancelled', started_at: null });
    expect(await stepOf(test_db.db, run.id, 'two')).toMatchObject({ status: 'cancelled' });
    expect((await typesOf(test_db.db, run.id)).slice(-2)).toEqual(['step.cancelled two', 'run.cancelled']);
    // What it had taken over another restart takes over again.
    const { run: again } = await ask(run.id, RESTART);
    expect(await playOut(deps(), again.id)).toBe('completed');
    expect(again.root_run_id).toBe(run.root_run_id);
  });

  test('keeps the word of its client, and has the limits of the operator of today', async () => {
    const client = { max_tokens: 7, max_cost_usd: 0.5, judge_enabled: false, on_exhausted: 'run' } as const;
    const rules = { ...LIMITS, ...client, judge_threshold: 0.9, day: { key_id: 'key_old', max_cost_usd: 1 } };
    const run_id = await plannedRun(deps(), PLAN, { rules });
    await playOut(deps(), run_id);
    const day = { key_id: 'key_new', max_cost_usd: 2 };
    const today = { ...RULES, max_parallel_steps: 9, max_duration_s: 60, max_steps: 10, max_replans: 0 };
    const { run } = await ask(
      run_id,
      { type: 'fork', from: 'two', model: 'large' },
      { day },
      { rules: today },
    );
    expect(run.rules).toEqual({
      ...today,
      ...client,
      judge_threshold: 0.9,
      tier: 'large',
      day,
    });
    expect(run.budget).toEqual({ max_steps: 10, max_duration_s: 60, max_tokens: 7, max_cost_usd: 0.5 });
    expect(run.deadline_at.getTime() - run.created_at.getTime()).toBe(60_000);
    await playOut(deps(), run.id);
    const { run: next } = await ask(run.id, RESTART);
    expect(next.rules).toMatchObject({ tier: 'large', max_duration_s: 60 });
    expect(next.rules.day).toBeUndefined();
    // A plan that is longer than plans may be today is not carried out.
    const narrow = { rules: { ...RULES, max_steps: 2 } };
    await expect(ask(run.id, RESTART, {}, narrow)).rejects.toMatchObject({ code: 'invalid_plan' });
  });

  test('is planned anew where no plan was accepted', async () => {
    const planner = fakePlanner({ kind: 'not_understood', detail: 'What?' }, { kind: 'plan', steps: PLAN });
    const planning = { ...deps(), planner };
    const run_id = await newRun(test_db.db);
    await expect(draftPlan(planning, { run_id, round: 1 }, AROUND.execution)).rejects.toMatchObject({
      code: 'goal_not_understood',
    });
    const failure = { code: 'goal_not_understood', message: 'What?' } as const;
    await endRun(planning.db, { run_id, ending: { status: 'failed', failure } }, AROUND.execution);
    await expect(ask(run_id, { type: 'restart', from: 'one' })).rejects.toMatchObject({
      code: 'unknown_step',
    });
    const foreseen = await foreseeRerun(rerunDeps(planning), submission(run_id, RESTART));
    expect(foreseen).toMatchObject({ planning: 'again', steps: [], missing: [] });
    const { run } = await ask(run_id, RESTART);
    expect(run).toMatchObject({ plan_version: null, rounds: 0, steps_total: 0 });
    expect(await draftPlan(planning, { run_id: run.id, round: 1 }, AROUND.execution)).toMatchObject({
      to_judge: true,
    });
  });

  test('of a run that was asked for its plan alone has all of its steps to run', async () => {
    const run_id = await plannedRun(deps(), PLAN, { rules: { ...LIMITS, mode: 'plan_only' } });
    await handInPlan(deps(), { run_id, plan_version: 1 }, AROUND.execution);
    const { steps } = await foreseeRerun(rerunDeps(deps()), submission(run_id, RESTART));
    expect(steps.map(({ action, because }) => `${action} ${because}`)).toEqual(
      Array(3).fill('run not_completed'),
    );
    const { run } = await ask(run_id, RESTART);
    expect(await draftPlan(deps(), { run_id: run.id, round: 1 }, AROUND.execution)).toMatchObject({
      status: 'drafted',
    });
    expect(await rowOf(test_db.db, run.id)).toMatchObject({ status: 'running', phase: 'planning' });
    await handInPlan(deps(), { run_id: run.id, plan_version: 1 }, AROUND.execution);
    expect(await rowOf(test_db.db, run.id)).toMatchObject({ status: 'completed' });
  });

  test('does not take a skip over from before a Reset: what caused it may be gone', async () => {
    const plan = [
      ...PLAN,
      { id: 'then', tool: 'echo', input: {}, when: { ref: 'one.n', op: 'gt', value: 1 } } as Step,
    ];
    const run_id = await plannedRun(deps(), plan, { rules: LIMITS });
    await playOut(deps(), run_id);
    const because = async () =>
      (await foreseeRerun(rerunDeps(deps()), submission(run_id, RESTART))).steps.at(-1)!.because;
    expect(await because()).toBe('skipped');
    await test_db.db.query('update runs set attempt = 2 where id = $1', [run_id]);
    expect(await because()).toBe('not_completed');
  });
});

describe('a fork', () => {
  test('shows its changes, and takes over the steps of another plan that are as they were', async () => {
    const old = await failedRun();
    const steps: Step[] = [{ id: 'new', tool: 'echo', input: { n: '{one.n}' } }, PLAN[2]!, PLAN[0]!];
    const { run } = await ask(old, { type: 'fork', from: 'new', plan: { steps } });
    const created = dataOf(await eventsOf(test_db.db, run.id), 'plan.created');
    expect(created).toMatchObject({
      source: 'given',
      diff: { added: ['new'], removed: ['large'], changed: [] },
    });
    expect(await playOut(deps(), run.id)).toBe('completed');
    const rows = await test_db.db.query(
      'select id, reused, effect_scope from steps where run_id = $1 order by position',
      [run.id],
    );
    expect(rows).toEqual([
      { id: 'new', reused: false, effect_scope: run.id },
      { id: 'two', reused: false, effect_scope: run.id },
      { id: 'one', reused: true, effect_scope: old },
    ]);
    expect(await rowOf(test_db.db, old)).toMatchObject({ superseded_by: null });
  });

  test('at the start is planned anew, with another goal, or has the given plan drafted', async () => {
    const old = await failedRun();
    const { run } = await ask(old, { type: 'fork', from: 'start', goal: 'another' });
    expect(run).toMatchObject({ goal: 'another', plan_version: null });
    expect(await rowOf(test_db.db, run.id)).toMatchObject({ given_plan: null });
    const plan = { steps: [PLAN[0]!] };
    const { run: given } = await ask(old, { type: 'fork', from: 'start', plan });
    expect(await rowOf(test_db.db, given.id)).toMatchObject({ given_plan: plan, plan_version: null });
    expect(await playOut(deps(), given.id)).toBe('completed');
    const foreseen = await foreseeRerun(
      rerunDeps(deps()),
      submission(old, { type: 'fork', from: 'start', plan }),
    );
    expect(foreseen).toMatchObject({
      planning: 'given',
      steps: [{ id: 'one', action: 'run', because: 'chosen' }],
    });
  });
});

test('a tenant has no more open runs by restarts than by submits', async () => {
  const tenant = 'crowded';
  const run_id = await plannedRun(deps(), PLAN, { rules: LIMITS, tenant });
  await playOut(deps(), run_id);
  const open = { open_runs: 2 };
  const settled = await Promise.allSettled(
    Array.from({ length: 6 }, () => ask(run_id, RESTART, { tenant }, open)),
  );
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
  for (const one of settled)
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'queue_full' });
  expect(await test_db.db.query('select 1 from runs where tenant = $1', [tenant])).toHaveLength(3);
});

test('a dry run says what is taken over, what is run and why, and what that cost, and changes nothing', async () => {
  const old = await failedRun();
  await test_db.db.query(
    `update steps set duration_ms = case id when 'one' then 100 when 'two' then 30 else 5 end where run_id = $1`,
    [old],
  );
  const before = [await rowOf(test_db.db, old), await runs()];
  const foresee = (asked: Asked) => foreseeRerun(rerunDeps(deps()), submission(old, asked));
  expect(await foresee(RESTART)).toEqual({
    object: 'rerun',
    origin: { type: 'restart', run_id: old, from: 'failed' },
    planning: 'reused',
    steps: [
      { ...view('one', 'reuse', 'completed'), last_status: 'completed', last_duration_ms: 100 },
      { ...view('large', 'reuse', 'completed'), last_status: 'completed', last_duration_ms: 5 },
      { ...view('two', 'run', 'not_completed'), last_status: 'failed', last_duration_ms: 30 },
    ],
    missing: [],
    last: { duration_ms: 30, model_calls: 0, tokens: 0, cost_usd: 0 },
  });
  expect(await foresee({ type: 'restart', from: 'one' })).toMatchObject({
    steps: [{ because: 'chosen' }, { action: 'reuse' }, { because: 'not_completed' }],
    last: { duration_ms: 130 },
  });
  expect([await rowOf(test_db.db, old), await runs()]).toEqual(before);
});

function view(id: string, action: string, because: string) {
  return { id, tool: 'echo', tool_version: '1.0.0', action, because };
}

test('a restart of a run that has nothing left to do only answers again', async () => {
  const run_id = await plannedRun(deps(), PLAN, { rules: LIMITS });
  await playOut(deps(), run_id);
  const { id } = await repeat(deps(), run_id, RESTART);
  expect(await playOut(deps(), id)).toBe('completed');
  expect(await rowOf(test_db.db, id)).toMatchObject({ status: 'completed', answer: expect.any(String) });
});
