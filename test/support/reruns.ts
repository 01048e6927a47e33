import type { ActivityDeps } from '../../src/activities';
import { draftPlan } from '../../src/activities/draft-plan';
import { endRun } from '../../src/runs/end-run';
import { writeAnswer } from '../../src/activities/write-answer';
import type { Step } from '../../src/contracts/plan';
import type { Rules } from '../../src/contracts/rules';
import type { StepResult } from '../../src/contracts/step-result';
import type { Database } from '../../src/db/database';
import type { RunRow } from '../../src/db/runs';
import { createTemplateAnswer } from '../../src/planning/template-answer';
import type { Asked } from '../../src/runs/decide-rerun';
import { foreseeRerun, rerun, type RerunDeps, type RerunSubmission } from '../../src/runs/rerun';
import { isDone, isStuck, startable, stopsRun } from '../../src/workflows/schedule';
import { AROUND, depsWith, plannedRun, pure, start } from './activities';
import { RULES } from './runs';

/** What a restart needs, with the tools of the activities; nothing is started. */
export function rerunDeps(deps: ActivityDeps, more: Partial<RerunDeps> = {}): RerunDeps {
  return {
    records: deps.db,
    rules: RULES,
    open_runs: 1_000,
    tools: deps.tools.catalogue,
    checkInput: deps.checkInput,
    forecastAnswer: () => null,
    ...more,
  };
}

/** The request that repeats a run, without a key. */
export function submission(
  run_id: string,
  asked: Asked,
  more: Partial<RerunSubmission> = {},
): RerunSubmission {
  const ids = { request_id: null, trace_id: null, idempotency_key: null };
  return { tenant: 'tenant', run_id, asked, ...ids, ...more };
}

export async function repeat(deps: ActivityDeps, run_id: string, asked: Asked): Promise<RunRow> {
  return (await rerun(rerunDeps(deps), submission(run_id, asked))).run;
}

/** Carries a run out from where it stands, one step after another, as its workflow would. @returns how it ended */
export async function playOut(deps: ActivityDeps, run_id: string): Promise<'completed' | 'failed'> {
  const draft = await draftPlan(deps, { run_id, round: 1 }, AROUND.execution);
  if (draft.status !== 'drafted' || draft.to_judge) throw new Error('No plan that may be carried out.');
  const { outline } = draft;
  const ended = new Map<string, StepResult['status']>(
    outline.steps.flatMap(({ id, reused }) => (reused === undefined ? [] : [[id, reused]])),
  );
  const progress = () => ({ ended, running: new Set<string>() });
  while (!isDone(outline, progress())) {
    if (isStuck(outline, progress())) throw new Error('No step may start and the plan is not done.');
    const { id } = startable(outline, progress(), 1)[0]!;
    const result = await start(deps, run_id, id);
    if (result.status === 'waiting') throw new Error(`Step ${id} waits for a person.`);
    ended.set(id, result.status);
    for (const skipped of result.skipped) ended.set(skipped, 'skipped');
    if (!stopsRun(outline, result)) continue;
    const failure = { code: 'step_failed', message: 'A step failed.', step_id: id } as const;
    await endRun(deps.db, { run_id, ending: { status: 'failed', failure } }, AROUND.execution);
    return 'failed';
  }
  await writeAnswer(deps, { run_id, plan_version: outline.plan_version }, AROUND.execution);
  return 'completed';
}

/** What the step `large` gives: more than an event carries. */
export const LARGE = 'x'.repeat(40_000);
export const PLAN: Step[] = [
  { id: 'one', tool: 'echo', input: { n: 1 } },
  { id: 'large', tool: 'echo', input: {} },
  { id: 'two', tool: 'echo', input: { n: '{one.n}' } },
];
export const LIMITS: Rules = { ...RULES, max_output_bytes: 100_000 };
export const RESTART: Asked = { type: 'restart', from: 'failed' };

/** Runs of one tool that gives its input back, until a step is broken, and requests to repeat them. */
export function repeatable(db: Database) {
  const broken = new Set<string>();
  const echo = pure(
    'echo',
    async (input, { step_id }) => {
      if (broken.has(step_id)) throw new Error('broken');
      return step_id === 'large' ? { text: LARGE } : input;
    },
    { max_attempts: 1, input_schema: { type: 'object', properties: { n: { type: 'number' } } } },
  );
  const deps = depsWith(db, [echo], { writer: createTemplateAnswer() });
  return {
    deps,
    /** A run whose step `two` failed. */
    async failedRun(): Promise<string> {
      const run_id = await plannedRun(deps, PLAN, { rules: LIMITS });
      broken.add('two');
      await playOut(deps, run_id);
      broken.clear();
      return run_id;
    },
    ask: (run_id: string, asked: Asked, more: Partial<RerunSubmission> = {}, of: Partial<RerunDeps> = {}) =>
      rerun(rerunDeps(deps, of), submission(run_id, asked, more)),
    foresee: (run_id: string, asked: Asked) => foreseeRerun(rerunDeps(deps), submission(run_id, asked)),
  };
}
