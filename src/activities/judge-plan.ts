import { Verdict } from '../contracts/verdict';
import type { Judged } from '../contracts/round';
import { readPlans, storeVerdict, type PlanRow } from '../db/plans';
import { lockRun, readRunAtWork, type RunAtWork } from '../db/runs';
import { append, type NewEvent, type RunChange } from '../events/append';
import type { ActivityDeps } from './deps';
import type { RoundRef } from './draft-plan';
import { isStorable } from './storable';

/** What stands in for an answer that cannot be read: closed on doubt. */
const UNREADABLE: Verdict = {
  is_valid: false,
  confidence: 0,
  issues: ['The answer of the judge could not be read.'],
  suggestions: [],
};

/**
 * Has the plan of a round judged and stores the verdict. Accepted means valid and above the threshold of the run; whatever cannot
 * be read is a rejection. A repetition returns what is stored.
 */
export async function judgePlan(deps: ActivityDeps, ref: RoundRef): Promise<Judged> {
  const [run, plan] = await Promise.all([readRunAtWork(deps.db, ref.run_id), readRound(deps, ref)]);
  if (plan.accepted !== null) return { accepted: plan.accepted, wish: null };

  const answer = await deps.judge.judge({ goal: run.goal, steps: plan.steps, tools: deps.tools.cards() });
  const parsed = Verdict.safeParse(answer);
  const verdict = parsed.success && isStorable(parsed.data) ? parsed.data : UNREADABLE;
  const accepted = verdict.is_valid && verdict.confidence > run.rules.judge_threshold;
  const wish = await deps.db.transaction(async (tx) => {
    const decision = { verdict, accepted, judged_by: deps.judge.name };
    if (!(await storeVerdict(tx, { run_id: ref.run_id, version: ref.round }, decision)))
      return 'stored by another' as const;
    // Judging takes a while: a run that was wished cancelled meanwhile must not be told to be running.
    const now = { ...run, status: await lockRun(tx, ref.run_id) };
    const facts = factsOf(ref, now, verdict, accepted);
    return (await append(tx, ref.run_id, { attempt: run.attempt, ...facts })).wish;
  });
  if (wish !== 'stored by another') return { accepted, wish };
  return { accepted: (await readRound(deps, ref)).accepted!, wish: null };
}

function factsOf(
  { round }: RoundRef,
  run: RunAtWork,
  verdict: Verdict,
  accepted: boolean,
): { events: NewEvent[]; change: RunChange } {
  const threshold = run.rules.judge_threshold;
  const events: NewEvent[] = [
    { key: `judge:${round}:started`, type: 'judge.started', data: { plan_version: round } },
    {
      key: `judge:${round}:verdict`,
      type: 'judge.verdict',
      data: { ...verdict, plan_version: round, accepted, threshold },
    },
  ];
  if (!accepted) return { events, change: {} };
  if (run.status === 'cancelling') return { events, change: { plan_version: round } };
  const executing = { status: 'running', phase: 'executing' } as const;
  events.push({ key: 'phase:executing', type: 'run.status', data: { ...executing, previous: run.status } });
  return { events, change: { phase: 'executing', plan_version: round } };
}

async function readRound(deps: ActivityDeps, { run_id, round }: RoundRef): Promise<PlanRow> {
  const rounds = await readPlans(deps.db, run_id);
  const plan = rounds.find(({ version }) => version === round);
  if (plan === undefined) throw new Error(`Run ${run_id} has no plan ${round}.`);
  return plan;
}
