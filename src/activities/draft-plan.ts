import { createHash } from 'node:crypto';
import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import type { Drafted } from '../contracts/round';
import type { RunStatus } from '../contracts/run-status';
import { readRounds, stepRows, type NewPlan, type PlanRow } from '../db/plans';
import { lockRun, type RunAtWork } from '../db/runs';
import type { Tx } from '../db/tx';
import { appendPlan, type NewEvent, type RunChange } from '../events/append';
import { outlineOf } from '../planning/outline';
import { checkPlan } from '../planning/plan-check';
import { decide, verdictFacts } from './decide';
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

type Planned = Awaited<ReturnType<typeof readRounds>>;

/**
 * Drafts the plan of a round, or takes the given one, checks it, has it judged at once where the judge is instant, and stores the
 * outcome. A repetition returns what is stored.
 * @throws Refusal `goal_not_understood`, `invalid_plan` (a given plan that does not pass here), `run_over`.
 */
export async function draftPlan(deps: ActivityDeps, ref: RoundRef, execution: string): Promise<Drafted> {
  const run = await readRounds(deps.db, ref.run_id);
  const stored = run.rounds.find(({ version }) => version === ref.round);
  if (stored !== undefined && !(stored.failure !== null && stored.attempt < run.attempt)) return told(stored);

  const plan = await draft(deps, ref, run, execution);
  const steps = stepRows(plan, (step) => deps.tools.get(step.tool, step.version)!);
  const write = (tx: Tx, status: RunStatus) => appendPlan(tx, plan, steps, factsOf(plan, { ...run, status }));
  const appended =
    run.status === 'queued'
      ? await write(deps.db, 'queued')
      : // A wish may have come since the run was read: one that is to be cancelled must not be told to be running.
        await deps.db.transaction(async (tx) => write(tx, await lockRun(tx, ref.run_id)));
  if (appended !== null) return told({ ...plan, accepted: plan.decision?.accepted ?? null }, appended.wish);
  const { rounds } = await readRounds(deps.db, ref.run_id);
  return told(rounds.find(({ version }) => version === ref.round)!);
}

async function draft(
  deps: ActivityDeps,
  { run_id, round }: RoundRef,
  run: Planned,
  execution: string,
): Promise<NewPlan> {
  const drafted = run.given_plan ?? (await askPlanner(deps, run));
  const source: PlanSource = run.given_plan === null ? deps.planner.source : 'given';
  const { steps, findings } = 'steps' in drafted ? checked(deps, run, drafted.steps) : NO_PLAN;
  const sound = 'steps' in drafted && findings.length === 0;
  const to_judge = sound && run.given_plan === null && deps.judge.instant;
  return {
    run_id,
    version: round,
    source,
    steps,
    outline: sound ? outlineOf(round, steps, (step) => deps.tools.get(step.tool, step.version)!) : null,
    findings,
    failure: failureOf(drafted, source, findings),
    decision: to_judge ? await decide(deps, run, steps) : null,
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
  { goal, rules, rounds }: Planned,
): Promise<{ steps: Step[] } | { not_understood: string }> {
  const draft = await deps.planner.draft({
    goal,
    tools: deps.tools.cards(),
    max_steps: rules.max_steps,
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
  const { version, source, steps, findings, outline, failure, decision } = plan;
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
      if (run.status !== 'cancelling' && run.rules.mode !== 'plan_only') enter('executing', 'running');
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

function told(
  plan: Pick<PlanRow, 'failure' | 'outline' | 'source' | 'accepted'>,
  wish: Drafted['wish'] = null,
): Drafted {
  if (plan.failure !== null) throw new Refusal(plan.failure.code, plan.failure.message);
  if (plan.outline === null || plan.accepted === false) return { status: 'rejected', wish };
  const to_judge = plan.source !== 'given' && plan.accepted === null;
  return { status: 'drafted', outline: plan.outline, to_judge, wish };
}
