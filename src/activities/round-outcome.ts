import type { Failure } from '../contracts/failure';
import type { Finding, PlanSource, Step } from '../contracts/plan';
import { Refusal } from '../contracts/refusal';
import type { Drafted } from '../contracts/round';
import { DATABASE_NOW } from '../db/database-now';
import { readRounds, stepRows, type NewPlan, type PlanRow } from '../db/plans';
import { lockRun, type RunAtWork } from '../db/runs';
import type { Tx } from '../db/tx';
import { appendPlan, type NewEvent, type RunChange } from '../events/append';
import { contentHashOf } from '../planning/canonical';
import { edgesOf, outlineOf } from '../planning/outline';
import { checkPlan } from '../planning/plan-check';
import { diffOf } from '../planning/plan-diff';
import { decide, verdictFacts } from './decide';
import { NO_MODEL, type ActivityDeps } from './deps';
import { isStorable } from '../db/storable';

const NO_PLAN: { steps: Step[]; findings: Finding[] } = { steps: [], findings: [] };
const UNSTORABLE: typeof NO_PLAN = {
  steps: [],
  findings: [
    { code: 'invalid_input', pointer: '/steps', detail: 'A text holds a NUL character or a lone surrogate.' },
  ],
};

/** One round: which run, and the how manieth plan of it. */
export interface RoundRef {
  run_id: string;
  round: number;
}

/** A run with its rounds, as `readRounds` gives it. */
export type Planned = Awaited<ReturnType<typeof readRounds>>;

/** What a planner, or a client, came up with. */
export interface Proposal {
  source: PlanSource;
  drafted: { steps: Step[] } | { not_understood: string };
}

/** The outcome of a round that is stored and counts: a failure of an older attempt of the run does not. */
export function storedRound(run: Planned, { round }: RoundRef): PlanRow | undefined {
  return run.rounds.find(
    ({ version, failure, attempt }) => version === round && (failure === null || attempt === run.attempt),
  );
}

/**
 * Checks a proposal, has it judged at once where an instant judge is to, and stores the outcome of the round, unless another worker has.
 * @param lock takes the row lock of the run for a proposal that took its time, and throws when it comes too late
 */
export async function concludeRound(
  deps: ActivityDeps,
  ref: RoundRef,
  run: Planned,
  proposal: Proposal,
  execution: string,
  lock?: (tx: Tx) => Promise<RunAtWork['status']>,
): Promise<Drafted> {
  const plan = await outcomeOf(deps, ref, run, proposal, execution);
  const steps = stepRows(plan, (step) => deps.tools.get(step.tool, step.version)!);
  const write = (tx: Tx, status: RunAtWork['status']) =>
    appendPlan(tx, plan, steps, factsOf(plan, { ...run, status }));
  const appended =
    run.status === 'queued' && lock === undefined
      ? await write(deps.db, 'queued')
      : // A wish may have come since the run was read: one that is to be cancelled must not be told to be running.
        await deps.db.transaction(async (tx) =>
          write(tx.last, await (lock?.(tx) ?? lockRun(tx, ref.run_id))),
        );
  if (appended !== null)
    return told(deps, run, { ...plan, accepted: plan.decision?.accepted ?? null }, appended.wish);
  const again = await readRounds(deps.db, ref.run_id, execution);
  return told(deps, again, storedRound(again, ref)!);
}

/** What the workflow is told of a stored round. @throws Refusal that ended it. */
export function told(
  { planner }: ActivityDeps,
  { rules }: RunAtWork,
  plan: Pick<PlanRow, 'failure' | 'outline' | 'source' | 'accepted'>,
  wish: Drafted['wish'] = null,
): Drafted {
  if (plan.failure !== null) throw new Refusal(plan.failure.code, plan.failure.message);
  if (plan.outline === null || plan.accepted === false) return { status: 'rejected', wish };
  const to_judge = plan.accepted === null && !goesUnjudged(plan, rules);
  const by_model = to_judge && plan.source !== planner.source;
  return {
    status: 'drafted',
    outline: plan.outline,
    to_judge,
    ...(by_model && { judge: 'llm' as const }),
    wish,
  };
}

async function outcomeOf(
  deps: ActivityDeps,
  { run_id, round }: RoundRef,
  run: Planned,
  { source, drafted }: Proposal,
  execution: string,
): Promise<NewPlan> {
  const { steps, findings } = 'steps' in drafted ? checked(deps, run, drafted.steps) : NO_PLAN;
  const sound = 'steps' in drafted && findings.length === 0;
  const to_judge = sound && source === deps.planner.source && deps.judge.instant;
  return {
    run_id,
    version: round,
    source,
    steps,
    outline: sound
      ? {
          ...outlineOf(round, steps, (step) => deps.tools.get(step.tool, step.version)!),
          // Who plans by patterns is answered by a template; whoever needs a model for one thing gets it for the other.
          ...(deps.minds !== null && source !== deps.planner.source ? { answer: 'llm' as const } : {}),
        }
      : null,
    findings,
    failure: failureOf(drafted, source, findings),
    decision: to_judge ? await decide(deps.judge, deps.tools, { run, round, steps }, NO_MODEL) : null,
    content_hash: contentHashOf(steps),
    attempt: run.attempt,
    execution,
  };
}

/** What the plan check finds; a plan that Postgres would not take is not kept. */
function checked(deps: ActivityDeps, { rules }: RunAtWork, steps: Step[]): typeof NO_PLAN {
  if (!isStorable(steps)) return UNSTORABLE;
  const { tools, checkInput } = deps;
  return { steps, findings: checkPlan(steps, { tools: tools.catalogue, rules, checkInput }) };
}

function failureOf(drafted: Proposal['drafted'], source: PlanSource, findings: Finding[]): Failure | null {
  if ('not_understood' in drafted) return { code: 'goal_not_understood', message: drafted.not_understood };
  const [first] = findings;
  // Nobody draws a given plan again: what does not pass here ends the run.
  if (source === 'given' && first !== undefined) return { code: 'invalid_plan', message: first.detail };
  return null;
}

/** Whether a plan is carried out as it is: a given one, one of a run that is repeated, or any where the run wants no judge. */
function goesUnjudged({ source }: Pick<PlanRow, 'source'>, { judge_enabled = true }: RunAtWork['rules']) {
  return source === 'given' || source === 'restart' || !judge_enabled;
}

/** The fact that a run which waited has begun, and the row with it. */
export function begun(
  run: RunAtWork,
  phase: 'planning' | 'executing' = 'planning',
): { events: NewEvent[]; change: RunChange } {
  if (run.status !== 'queued') return { events: [], change: {} };
  return {
    events: [entered(phase, 'queued')],
    change: { status: 'running', phase, started_at: DATABASE_NOW },
  };
}

function entered(phase: string, previous: RunAtWork['status']): NewEvent {
  return { key: `phase:${phase}`, type: 'run.status', data: { status: 'running', phase, previous } };
}

/** The facts of a round, and the run's row with them. */
function factsOf(plan: NewPlan, run: Planned): { events: NewEvent[]; change: RunChange } {
  const { version, source, steps, findings, outline, failure, decision } = plan;
  const { events, change } = begun(run);
  Object.assign(change, { rounds: version, execution: plan.execution });
  // Who asks a model says so before.
  if (source !== 'model')
    events.push({ key: `plan:${version}:started`, type: 'plan.started', data: { round: version, source } });
  if (outline !== null) {
    const before = run.rounds.findLast((round) => round.version < version && round.steps.length > 0);
    events.push({
      key: `plan:${version}:drafted`,
      type: 'plan.created',
      data: {
        version,
        source,
        steps,
        edges: edgesOf(steps),
        ...(before && { diff: diffOf(before.steps, steps) }),
      },
    });
    if (goesUnjudged(plan, run.rules) && decision === null) {
      change.plan_version = version; // accepted as it is; any other plan once it was judged
      if (run.status !== 'cancelling' && run.rules.mode !== 'plan_only') {
        events.push(entered('executing', 'running'));
        Object.assign(change, { status: 'running', phase: 'executing' });
      }
    }
    if (decision !== null) {
      const status = run.status === 'queued' ? 'running' : run.status;
      const judged = verdictFacts(version, { ...run, status }, decision);
      events.push(...judged.events);
      Object.assign(change, judged.change);
    }
  } else if (failure?.code !== 'goal_not_understood') {
    events.push({ key: `plan:${version}:drafted`, type: 'plan.rejected', data: { version, findings } });
  }
  return { events, change };
}
