import { Refusal } from '../contracts/refusal';
import { isTerminal, type RunStatus } from '../contracts/run-status';
import type { Records } from '../db/database';
import { newId } from '../db/new-id';
import { findRun, type RunRow } from '../db/runs';
import { lockStepsOf } from '../db/steps';
import type { Tx } from '../db/tx';
import { append } from '../events/append';
import { endUnstarted } from './end-run';
import { wake, type WakeDeps } from './wake';

export interface CancelDeps extends WakeDeps {
  /** The record as the tenant sees it. */
  records: Records;
}

export interface Cancellation {
  tenant: string;
  run_id: string;
  reason: string | null;
  /** Who wants it: the id of the key. */
  actor: string;
}

/**
 * Wishes a run cancelled. The wish is a row, decided under the lock of the run's row together with its event, so the reply is true at once;
 * the signal afterwards only wakes the workflow. A queued run ends here and now. A run that is over is left as it is.
 * @throws Refusal `not_found`.
 */
export async function cancelRun(deps: CancelDeps, cancellation: Cancellation): Promise<RunRow> {
  const { tenant, run_id } = cancellation;
  const status = await deps.records.transaction((tx) => decide(tx, cancellation));
  if (status === 'cancelling') await wake(deps, run_id);
  return (await findRun(deps.records, tenant, run_id))!;
}

async function decide(tx: Tx, cancellation: Cancellation): Promise<RunStatus> {
  const { tenant, run_id, reason, actor } = cancellation;
  await lockStepsOf(tx, run_id);
  const [run] = await tx.query<{ status: RunStatus; attempt: number }>(
    'select status, attempt from runs where id = $1 and tenant = $2 for no key update',
    [run_id, tenant],
  );
  if (run === undefined) throw new Refusal('not_found', `There is no run ${run_id}.`);
  const { status: previous, attempt } = run;
  if (isTerminal(previous) || previous === 'cancelling') return previous;
  if (previous === 'queued') {
    const event = { key: 'ended', type: 'run.cancelled', data: { reason, actor } } as const;
    await endUnstarted(tx, { run_id, attempt }, { status: 'cancelled', reason, event });
    return 'cancelled';
  }
  await tx.query(
    'insert into wishes (id, run_id, tenant, attempt, kind, actor, reason) values ($1, $2, $3, $4, $5, $6, $7)',
    [newId('wish'), run_id, tenant, attempt, 'cancel', actor, reason],
  );
  const why = reason === null ? {} : { reason };
  await append(tx, run_id, {
    attempt,
    events: [
      {
        key: 'cancelling',
        type: 'run.status',
        data: { status: 'cancelling', phase: null, previous, ...why },
      },
    ],
    change: { status: 'cancelling', status_reason: reason, phase: null },
  });
  return 'cancelling';
}
