import { DATABASE_NOW } from '../db/database-now';
import { admit } from '../db/executions';
import { lockStepsOf, readStatuses, skipSteps } from '../db/steps';
import { append } from '../events/append';
import type { ActivityDeps } from './deps';
import { skippedEvent } from '../events/step-facts';
import { completed, type Completed, type PlanRef } from './write-answer';

const NOT_ASKED_FOR = 'Only the plan was asked for.';

/**
 * Completes a run that was asked for its plan alone: no step of it is carried out, and there is no answer. A repetition finds the run
 * completed.
 * @returns and throws as `writeAnswer`
 */
export function handInPlan(
  deps: ActivityDeps,
  { run_id, plan_version }: PlanRef,
  execution: string,
): Promise<Completed> {
  return completed(deps, run_id, () =>
    deps.db.transaction(async (tx) => {
      await lockStepsOf(tx, run_id);
      const { run, statuses } = await readStatuses(tx, run_id, plan_version);
      admit(run, execution);
      const ids = [...statuses.keys()];
      await skipSteps(tx, run_id, plan_version, ids, NOT_ASKED_FOR);
      const events = ids.map((step_id) => skippedEvent({ run_id, plan_version, step_id }, NOT_ASKED_FOR));
      await append(tx.last, run_id, {
        attempt: run.attempt,
        events: [...events, { key: 'ended', type: 'run.completed', data: { answer: null } }],
        change: { status: 'completed', phase: null, finished_at: DATABASE_NOW },
      });
    }),
  );
}
