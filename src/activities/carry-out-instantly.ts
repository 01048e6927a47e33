import type { Outline } from '../contracts/outline';
import type { Rules } from '../contracts/rules';
import type { StepResults, StepResult } from '../contracts/step-result';
import { readSteps, type StepRow } from '../db/steps';
import { isDone, isInstant, lostOf, startable, stopsRun, type Progress } from '../workflows/schedule';
import type { ActivityDeps } from './deps';
import type { Surroundings } from './surroundings';
import { tryStep } from './use-tool';
import { writeAnswer } from './write-answer';

/** After this time no other step is begun, milliseconds: a long chain comes back in pieces, so that its workflow hears of it. */
const LONGEST_MS = 1_000;

/** Where a run stands when its instant steps are to go: all that the scheduler asks for. */
export interface Chain {
  run_id: string;
  outline: Outline;
  rules: Rules;
  ended: [step_id: string, status: StepResult['status']][];
  running: string[];
}

/**
 * Carries out the instant steps that may start, one after another, and those that may start because of them; then the answer, if nothing
 * is left and it is instant too. Each step is a checkpoint of its own; a repetition finds what is stored. Comes back early, with what has
 * ended, as soon as the workflow has something to do: a slow step may start, a step that the plan cannot do without failed, one is to be
 * tried again, somebody wishes the run to stop.
 * @returns at least the first step's result.
 * @throws as `tryStep` and `writeAnswer`; what ended before is then told by the repetition.
 */
export async function carryOutInstantly(
  deps: ActivityDeps,
  chain: Chain,
  around: Surroundings,
): Promise<StepResults> {
  const results = await useTools(deps, chain, around);
  const instant = deps.writer.instant && chain.outline.answer === undefined;
  if (!instant || !isCarriedOut(chain, results)) return results;
  const agreed = { run_id: chain.run_id, plan_version: chain.outline.plan_version };
  const { wish } = await writeAnswer(deps, agreed, around.execution);
  return { ...results, answered: wish === null };
}

async function useTools(deps: ActivityDeps, chain: Chain, around: Surroundings): Promise<StepResults> {
  const { run_id, outline, rules } = chain;
  const { plan_version } = outline;
  const lost = lostOf(chain.ended);
  const until = performance.now() + LONGEST_MS;
  const ended: StepResult[] = [];
  let rows: StepRow[] = [];
  do {
    const next = startable(outline, progressOf(chain, ended), rules.max_parallel_steps);
    if (next.length === 0 || !next.every(isInstant)) break;
    const ids = next.map(({ id }) => id);
    if (rows.length === 0) rows = await readSteps(deps.db, run_id, plan_version, ids);
    const step = rows.shift()!;
    const tried = await tryStep(deps, { run_id, plan_version, step_id: step.id }, step, { ...around, lost });
    if (tried.status === 'retrying') {
      const { step_id, pause_ms } = tried;
      return { ended, again: { step_id, pause_ms }, answered: false };
    }
    if (tried.status === 'waiting') throw new Error(`The instant step ${step.id} waits for a person.`);
    // What was stored before brings every skip of the plan along: told once they stay small, also where hundreds of steps failed.
    const known = progressOf(chain, ended).ended;
    ended.push({ ...tried, skipped: tried.skipped.filter((id) => !known.has(id)) });
    if (tried.wish !== null || stopsRun(outline, tried)) break;
  } while (performance.now() < until);
  return { ended, again: null, answered: false };
}

function progressOf(chain: Chain, results: StepResult[]): Progress {
  const ended = new Map(chain.ended);
  for (const { step_id, status, skipped } of results) {
    ended.set(step_id, status);
    for (const id of skipped) ended.set(id, 'skipped');
  }
  return { ended, running: new Set(chain.running) };
}

/** Whether every step has ended, and nothing keeps the run from its answer. */
function isCarriedOut(chain: Chain, { ended, again }: StepResults): boolean {
  const goesOn = ended.every((result) => result.wish === null && !stopsRun(chain.outline, result));
  return again === null && goesOn && isDone(chain.outline, progressOf(chain, ended));
}
