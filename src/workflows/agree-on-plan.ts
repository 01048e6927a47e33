import type { Outline } from '../contracts/outline';
import { failedWith } from './failures';
import type { Interruptions } from './interruptions';
import type { RunInput } from './messages';
import { draftPlan, judgePlan } from './proxies';

/**
 * Has plans drafted and judged until one is accepted. What the plan check or the judge said of a rejected one is stored and is the
 * planner's feedback in the next round.
 * @throws Ended `plan_rejected` when the last round was rejected too.
 */
export async function agreeOnPlan({ run_id, rules }: RunInput, { heed }: Interruptions): Promise<Outline> {
  const rounds = 1 + rules.max_replans;
  for (let round = 1; round <= rounds; round += 1) {
    const draft = heed(await draftPlan({ run_id, round }));
    if (draft.status === 'rejected') continue;
    if (!draft.to_judge) return draft.outline;
    const { accepted } = heed(await judgePlan({ run_id, round }));
    if (accepted) return draft.outline;
  }
  throw failedWith({ code: 'plan_rejected', message: `None of ${rounds} plans was accepted.` });
}
