import type { ActivityDeps } from '../../src/activities';
import { draftPlan } from '../../src/activities/draft-plan';
import { endRun } from '../../src/activities/end-run';
import { writeAnswer } from '../../src/activities/write-answer';
import type { StepResult } from '../../src/contracts/step-result';
import type { RunRow } from '../../src/db/runs';
import type { Asked } from '../../src/runs/rerun';
import { rerun, type RerunDeps, type RerunSubmission } from '../../src/runs/restart';
import { isDone, isStuck, startable, stopsRun } from '../../src/workflows/schedule';
import { start } from './activities';
import { RULES } from './runs';

/** What a restart needs, with the tools of the activities; nothing is started. */
export function rerunDeps(deps: ActivityDeps, more: Partial<RerunDeps> = {}): RerunDeps {
  return {
    records: deps.db,
    starts: { begin: () => Promise.resolve() },
    rules: RULES,
    open_runs: 1_000,
    tools: deps.tools.catalogue,
    checkInput: deps.checkInput,
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
  return { tenant: 'tenant', run_id, asked, ...ids, now: new Date(), ...more };
}

export async function repeat(deps: ActivityDeps, run_id: string, asked: Asked): Promise<RunRow> {
  return (await rerun(rerunDeps(deps), submission(run_id, asked))).run;
}

/** Carries a run out from where it stands, one step after another, as its workflow would. @returns how it ended */
export async function playOut(deps: ActivityDeps, run_id: string): Promise<'completed' | 'failed'> {
  const draft = await draftPlan(deps, { run_id, round: 1 }, 'execution');
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
    await endRun(deps, { run_id, ending: { status: 'failed', failure } });
    return 'failed';
  }
  await writeAnswer(deps, { run_id, plan_version: outline.plan_version });
  return 'completed';
}
