import type { Records } from '../db/database';
import { NewExecution, standingOf, type Executions } from '../db/executions';
import { append } from '../events/append';

/** A run, and Temporal's run id of those who work on it. */
export interface Execution {
  run_id: string;
  execution: string;
}

/**
 * Does a piece of a run's work for an execution. One of which the run has not heard is what a Reset by an operator made (in the place of a
 * lost workflow the run has let go of its execution): the run is reopened, then the work begins again. So `act` must not have done
 * anything before it looks at the run.
 * @throws Refusal `superseded` for an execution from before a Reset
 */
export async function inExecution<T>(db: Records, at: Execution, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof NewExecution)) throw error;
  }
  await reopenRun(db, at);
  return act();
}

/** What is to be known of a run that may have to be reopened. */
interface Reopenable extends Executions {
  attempt: number;
  plan_version: number | null;
  started_at: Date;
  deadline_at: Date;
  waits: boolean;
}

/**
 * Begins the next attempt of a run, once for each execution: several activities of a new one may come at once. What the old attempt
 * wished is over with it. Its steps are taken up one by one when their turn comes, because only the workflow knows which of them are to be
 * repeated; those that wait for an answer go on waiting.
 */
export function reopenRun(db: Records, { run_id, execution }: Execution): Promise<void> {
  return db.transaction(async (tx) => {
    const [run] = await tx.query<Reopenable>(
      `select execution, past_executions, attempt, rules, plan_version, coalesce(started_at, now()) as started_at,
         now() + (rules->>'max_duration_s')::float8 * interval '1 second' as deadline_at, exists (
         select from steps s where s.run_id = runs.id and s.plan_version = runs.plan_version and s.status = 'waiting') as waits
       from runs where id = $1 for no key update`,
      [run_id],
    );
    if (standingOf(run!, execution) !== 'new') return;
    await tx.query(
      `update wishes set closed_at = now() where run_id = $1 and kind = 'cancel' and closed_at is null`,
      [run_id],
    );
    const { attempt, plan_version, started_at, deadline_at, waits, ...before } = run!;
    await append(tx, run_id, {
      attempt: null,
      events: [{ key: 'reopened', type: 'run.reopened', data: { attempt: attempt + 1, actor: 'temporal' } }],
      change: {
        status: waits ? 'waiting' : 'running',
        phase: waits ? 'attention' : plan_version === null ? 'planning' : 'executing',
        status_reason: null,
        answer: null,
        error: null,
        execution,
        past_executions: [...before.past_executions, before.execution!],
        deadline_at: deadline_at.toISOString(),
        started_at: started_at.toISOString(),
        finished_at: null,
      },
    });
  });
}
