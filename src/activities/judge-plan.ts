import type { Judged } from '../contracts/round';
import { readRounds, storeVerdict, type PlanRow } from '../db/plans';
import { lockRun } from '../db/runs';
import { append } from '../events/append';
import { decide, verdictFacts } from './decide';
import type { ActivityDeps } from './deps';
import type { RoundRef } from './draft-plan';

/**
 * Has the plan of a round judged, by a judge that takes its time, and stores the verdict. A repetition returns what is stored.
 */
export async function judgePlan(deps: ActivityDeps, ref: RoundRef): Promise<Judged> {
  const run = await readRounds(deps.db, ref.run_id);
  const plan = roundOf(run.rounds, ref);
  if (plan.accepted !== null) return { accepted: plan.accepted, wish: null };

  const decision = await decide(deps, run, plan.steps);
  const wish = await deps.db.transaction(async (tx) => {
    if (!(await storeVerdict(tx, { run_id: ref.run_id, version: ref.round }, decision)))
      return 'stored by another' as const;
    // Judging takes a while: a run that was wished cancelled meanwhile must not be told to be running.
    const now = { ...run, status: await lockRun(tx, ref.run_id) };
    const facts = verdictFacts(ref.round, now, decision);
    return (await append(tx, ref.run_id, { attempt: run.attempt, ...facts })).wish;
  });
  if (wish !== 'stored by another') return { accepted: decision.accepted, wish };
  const { rounds } = await readRounds(deps.db, ref.run_id);
  return { accepted: roundOf(rounds, ref).accepted!, wish: null };
}

function roundOf(rounds: PlanRow[], { run_id, round }: RoundRef): PlanRow {
  const plan = rounds.find(({ version }) => version === round);
  if (plan === undefined) throw new Error(`Run ${run_id} has no plan ${round}.`);
  return plan;
}
