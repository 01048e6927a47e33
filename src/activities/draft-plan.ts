import { createHash } from 'node:crypto';
import type { NewEvent, RunChange } from '../events/append';
import { append } from '../events/append';
import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import type { Drafted } from '../contracts/round';
import { insertPlan, insertSteps, readPlans, type NewPlan, type PlanRow } from '../db/plans';
import { readRunAtWork, type RunAtWork } from '../db/runs';
import { outlineOf } from '../planning/outline';
import { checkPlan } from '../planning/plan-check';
import type { ActivityDeps } from './deps';
import { isStorable, storableText } from './storable';

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

/**
 * Drafts the plan of a round, or takes the given one, checks it and stores the outcome. A repetition returns what is stored.
 * @throws Refusal `goal_not_understood`, `invalid_plan` (a given plan that does not pass here), `run_over`.
 */
export async function draftPlan(deps: ActivityDeps, ref: RoundRef, execution: string): Promise<Drafted> {
  const [run, rounds] = await Promise.all([
    readRunAtWork(deps.db, ref.run_id),
    readPlans(deps.db, ref.run_id),
  ]);
  const stored = rounds.find(({ version }) => version === ref.round);
  if (stored !== undefined && !(stored.failure !== null && stored.attempt < run.attempt)) return told(stored);

  const plan = await draft(deps, ref, run, rounds, execution);
  const wish = await deps.db.transaction(async (tx) => {
    if (!(await insertPlan(tx, plan))) return 'stored by another' as const;
    if (plan.outline !== null) {
      await insertSteps(tx, { ...plan, outline: plan.outline }, (step) =>
        deps.tools.get(step.tool, step.version)!,
      );
    }
    const facts = factsOf(plan, run);
    return (await append(tx, ref.run_id, { attempt: run.attempt, ...facts })).wish;
  });
  if (wish !== 'stored by another') return told(plan, wish);
  return told((await readPlans(deps.db, ref.run_id)).find(({ version }) => version === ref.round)!);
}

async function draft(
  deps: ActivityDeps,
  { run_id, round }: RoundRef,
  run: RunAtWork,
  rounds: PlanRow[],
  execution: string,
): Promise<NewPlan> {
  const drafted = run.given_plan ?? (await askPlanner(deps, run, rounds));
  const source: PlanSource = run.given_plan === null ? deps.planner.source : 'given';
  const { steps, findings } = 'steps' in drafted ? checked(deps, run, drafted.steps) : NO_PLAN;
  const sound = 'steps' in drafted && findings.length === 0;
  return {
    run_id,
    version: round,
    source,
    steps,
    outline: sound ? outlineOf(round, steps, (step) => deps.tools.get(step.tool, step.version)!) : null,
    findings,
    failure: failureOf(drafted, source, findings),
    content_hash: createHash('sha256').update(JSON.stringify(steps)).digest('hex'),
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

async function askPlanner(
  deps: ActivityDeps,
  run: RunAtWork,
  rounds: PlanRow[],
): Promise<{ steps: Step[] } | { not_understood: string }> {
  const draft = await deps.planner.draft({
    goal: run.goal,
    tools: deps.tools.cards(),
    max_steps: run.rules.max_steps,
    feedback: rounds.map(({ findings, verdict }) => ({ findings, ...(verdict === null ? {} : { verdict }) })),
  });
  return draft.kind === 'plan' ? { steps: draft.steps } : { not_understood: storableText(draft.detail) };
}

function failureOf(
  drafted: { steps: Step[] } | { not_understood: string },
  source: PlanSource,
  findings: Finding[],
): Failure | null {
  if ('not_understood' in drafted) return { code: 'goal_not_understood', message: drafted.not_understood };
  const [first] = findings;
  // Nobody draws a given plan again: what does not pass here ends the run.
  if (source === 'given' && first !== undefined) return { code: 'invalid_plan', message: first.detail };
  return null;
}

/** The facts of a round, and the run's row with them. */
function factsOf(plan: NewPlan, run: RunAtWork): { events: NewEvent[]; change: RunChange } {
  const { version, source, steps, findings, outline, failure } = plan;
  const events: NewEvent[] = [];
  const change: RunChange = { rounds: version, execution: plan.execution };
  const enter = (phase: string, previous: RunAtWork['status']) => {
    events.push({ key: `phase:${phase}`, type: 'run.status', data: { status: 'running', phase, previous } });
    Object.assign(change, { status: 'running', phase });
  };
  if (run.status === 'queued') {
    enter('planning', 'queued');
    change.started_at = new Date().toISOString();
  }
  events.push({ key: `plan:${version}:started`, type: 'plan.started', data: { round: version, source } });
  if (outline !== null) {
    const edges = outline.steps.flatMap(({ id, needs }) => needs.map((need): [string, string] => [need, id]));
    events.push({
      key: `plan:${version}:drafted`,
      type: 'plan.created',
      data: { version, source, steps, edges },
    });
    if (source === 'given') {
      change.plan_version = version; // accepted as it is; any other plan once it was judged
      if (run.status !== 'cancelling') enter('executing', 'running');
    }
  } else if (failure?.code !== 'goal_not_understood') {
    events.push({ key: `plan:${version}:drafted`, type: 'plan.rejected', data: { version, findings } });
  }
  return { events, change };
}

function told(plan: Pick<PlanRow, 'failure' | 'outline' | 'source'>, wish: Drafted['wish'] = null): Drafted {
  if (plan.failure !== null) throw new Refusal(plan.failure.code, plan.failure.message);
  if (plan.outline === null) return { status: 'rejected', wish };
  return { status: 'drafted', outline: plan.outline, to_judge: plan.source !== 'given', wish };
}
