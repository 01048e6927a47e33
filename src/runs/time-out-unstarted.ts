import type { Database } from '../db/database';
import { DATABASE_NOW } from '../db/database-now';
import type { UnstartedRun } from '../db/run-starts';
import { lockStepsOf } from '../db/steps';
import { append } from '../events/append';
import { endSteps } from './end-run';

/** A run whose time was over before anybody could start it ends without a workflow, as a queued one that is cancelled does. */
export async function timeOutUnstarted(db: Database, { id, attempt, rules }: UnstartedRun): Promise<void> {
  const limit = { kind: 'max_duration_s', value: rules.max_duration_s } as const;
  await db.transaction(async (tx) => {
    await lockStepsOf(tx, id);
    const steps = await endSteps(tx, id, 'timed_out');
    return append(tx, id, {
      attempt,
      events: [...steps, { key: 'ended', type: 'run.timed_out', data: { limit } }],
      change: {
        status: 'timed_out',
        status_reason: 'It was not started in time.',
        phase: null,
        finished_at: DATABASE_NOW,
      },
    });
  });
}
