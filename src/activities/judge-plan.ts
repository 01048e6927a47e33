import type { Degraded } from '../contracts/model';
import type { Judged } from '../contracts/round';
import { readRounds, storeVerdict, type Decision, type PlanRow } from '../db/plans';
import { lockRun, markDegraded } from '../db/runs';
import { append } from '../events/append';
import { askFor, withReadable } from './ask-model';
import { decide, decisionOn, judgeStarted, verdictFacts } from './decide';
import { mindsOf, NO_MODEL, type ActivityDeps } from './deps';
import type { Planned, RoundRef } from './round-outcome';
import { standInFor } from './stand-in';
import type { Surroundings } from './surroundings';

/**
 * Has the plan of a round judged, by a judge that takes its time, and stores the verdict. A repetition returns what is stored, a plan
 * that was judged in an earlier round is not judged again, and none of a run that is to be cancelled.
 * @throws Refusal of a model that cannot be asked, where the rules do not accept the plan either; `budget_exceeded`
 */
export async function judgePlan(deps: ActivityDeps, ref: RoundRef, around: Surroundings): Promise<Judged> {
  const run = await readRounds(deps.db, ref.run_id, around.execution);
  const plan = roundOf(run, ref);
  if (plan.accepted !== null) return { accepted: plan.accepted, wish: null };
  if (run.status === 'cancelling') return { accepted: false, wish: 'cancel' }; // nobody needs to be asked any more

  const begun = await append(deps.db, ref.run_id, {
    attempt: run.attempt,
    events: [judgeStarted(ref.round)],
  });
  if (begun.wish !== null) return { accepted: false, wish: begun.wish };
  const { decision, degraded } = await judge(deps, ref, run, plan, around);
  const wish = await deps.db.transaction(async (tx) => {
    const [stored, status] = await Promise.all([
      storeVerdict(tx, { run_id: ref.run_id, version: ref.round }, decision),
      lockRun(tx, ref.run_id),
    ]);
    if (!stored) return 'stored by another' as const;
    // Judging takes a while: a run that was wished cancelled meanwhile must not be told to be running.
    const now = { ...run, status };
    if (degraded !== undefined) await markDegraded(tx, ref.run_id, degraded);
    const facts = verdictFacts(ref.round, now, decision, degraded);
    return (await append(tx.last, ref.run_id, { attempt: run.attempt, ...facts })).wish;
  });
  if (wish !== 'stored by another') return { accepted: decision.accepted, wish };
  return {
    accepted: roundOf(await readRounds(deps.db, ref.run_id, around.execution), ref).accepted!,
    wish: null,
  };
}

async function judge(
  deps: ActivityDeps,
  ref: RoundRef,
  run: Planned,
  { source, steps, content_hash }: PlanRow,
  { execution, cancelled }: Surroundings,
): Promise<{ decision: Decision; degraded?: Degraded }> {
  const { round } = ref;
  const same = run.rounds.find((one) => one.version < round && one.content_hash === content_hash);
  if (same !== undefined && same.verdict !== null)
    return { decision: decisionOn(same.verdict, same.judged_by ?? 'unknown', run.rules, round) };

  const judgeable = { run, round, steps };
  if (source === deps.planner.source)
    return { decision: await decide(deps.judge, deps.tools, judgeable, NO_MODEL) };
  const { judge: mind, ...models } = mindsOf(deps);
  try {
    const place = { ...ref, execution, purpose: 'judge' } as const;
    const ask = askFor({ db: deps.db, ...models }, place, cancelled);
    const judged = () => decide(mind, deps.tools, judgeable, ask);
    return { decision: await withReadable(deps.db, place, judged) };
  } catch (error) {
    const degraded = standInFor('judge', error);
    const decision = await decide(deps.judge, deps.tools, judgeable, NO_MODEL);
    // Rules know few goals: that they do not accept a plan says nothing against it.
    if (!decision.accepted) throw error;
    return { decision, degraded };
  }
}

function roundOf({ rounds }: Planned, { run_id, round }: RoundRef): PlanRow {
  const plan = rounds.find(({ version }) => version === round);
  if (plan === undefined) throw new Error(`Run ${run_id} has no plan ${round} to judge.`);
  return plan;
}
