import type { Outline } from '../contracts/outline';
import type { Drafted } from '../contracts/round';
import { failedWith } from './failures';
import type { Interruptions } from './interruptions';
import type { RunInput } from './messages';
import { draftPlan, draftPlanWithModel, judgePlan, judgePlanWithModel } from './proxies';

type PlanRound = { run_id: string; round: number };

/**
 * Has plans drafted and judged until one is accepted. What the plan check or the judge said of a rejected one is stored and is the
 * planner's feedback in the next round.
 * @throws Ended `plan_rejected` when the last round was rejected too.
 */
export async function agreeOnPlan(input: RunInput, interruptions: Interruptions): Promise<Outline> {
  const { run_id, rules } = input;
  const { heed, stoppable } = interruptions;
  const rounds = 1 + rules.max_replans;
  const draw = drawing(interruptions);
  for (let round = 1; round <= rounds; round += 1) {
    const ref = { run_id, round };
    const draft = await draw(ref);
    if (draft.status === 'rejected') continue;
    if (!draft.to_judge) return draft.outline;
    const { accepted } = heed(
      await (draft.judge === 'llm' ? stoppable.run(() => judgePlanWithModel(ref)) : judgePlan(ref)),
    );
    if (accepted) return draft.outline;
  }
  throw failedWith({ code: 'plan_rejected', message: `None of ${rounds} plans was accepted.` });
}

/** Draws the plan of a round: at once where that needs no model. Once a model has planned, it plans the next rounds too. */
function drawing({ heed, stoppable }: Interruptions): (ref: PlanRound) => Promise<Drafted> {
  let needs_model = false;
  return async (ref) => {
    if (!needs_model) {
      const draft = heed(await draftPlan(ref));
      if (draft.status !== 'needs_model') return draft;
      needs_model = true;
    }
    return heed(await stoppable.run(() => draftPlanWithModel(ref)));
  };
}
