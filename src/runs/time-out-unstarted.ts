import { Refusal } from '../contracts/refusal';
import type { Database } from '../db/database';
import type { UnstartedRun } from '../db/run-starts';
import { lockStepsOf } from '../db/steps';
import { endUnstarted } from './end-run';

/** Ends a run whose time was over before anybody could start it. One that was ended meanwhile is left as it is. */
export async function timeOutUnstarted(
  db: Database,
  { id: run_id, attempt, rules }: UnstartedRun,
): Promise<void> {
  const limit = { kind: 'max_duration_s', value: rules.max_duration_s } as const;
  const event = { key: 'ended', type: 'run.timed_out', data: { limit } } as const;
  const reason = 'It was not started in time.';
  try {
    await db.transaction(async (tx) => {
      await lockStepsOf(tx, run_id);
      await endUnstarted(tx, { run_id, attempt }, { status: 'timed_out', reason, event });
    });
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'run_over')) throw error;
  }
}
