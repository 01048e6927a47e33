import type { Ending } from '../contracts/ending';
import type { Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import { isTerminal, type RunStatus } from '../contracts/run-status';
import type { Records } from '../db/database';
import { DATABASE_NOW } from '../db/database-now';
import { admit, type Executions } from '../db/executions';
import { freeHeldBack } from '../db/key-spending';
import { cancelSteps, lockStepsOf } from '../db/steps';
import { storableText } from '../db/storable';
import type { Tx } from '../db/tx';
import { append, type NewEvent, type RunChange } from '../events/append';
import { keyOf } from '../events/step-facts';

const STEP_REASONS: Record<Ending['status'], string> = {
  failed: 'The run failed.',
  timed_out: 'The run took too long.',
  cancelled: 'The run was cancelled.',
};

/**
 * Ends a run short of an answer: whatever has not ended is cancelled, open wishes are closed, the terminal event is the last one.
 * A run that is over already stays as it is.
 * @param execution Temporal's run id of who ends it; null ends it where no execution has it
 * @returns how the run stands now.
 * @throws Refusal `superseded`, `not_found`; NewExecution
 */
export async function endRun(
  db: Records,
  { run_id, ending }: { run_id: string; ending: Ending },
  execution: string | null,
): Promise<{ status: RunStatus }> {
  try {
    return await db.transaction(async (tx) => {
      await lockStepsOf(tx, run_id);
      const run = await readRun(tx, run_id);
      if (execution !== null) admit(run, execution);
      else if (run.execution !== null) throw new Refusal('superseded', 'An execution has the run.');
      if (!isTerminal(run.status)) return end(tx, { run_id, ending, execution, attempt: run.attempt });
      // One that was over before its workflow began: from now on a Reset of it is seen.
      if (run.execution === null && execution !== null)
        await tx.query('update runs set execution = $2 where id = $1', [run_id, execution]);
      return { status: run.status };
    });
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'run_over')) throw error;
    return readRun(db, run_id); // its answer came first
  }
}

interface RunToEnd extends Executions {
  status: RunStatus;
  attempt: number;
}

async function readRun(tx: Tx, run_id: string): Promise<RunToEnd> {
  const [run] = await tx.query<RunToEnd>(
    'select status, attempt, execution, past_executions from runs where id = $1',
    [run_id],
  );
  if (run === undefined) throw new Refusal('not_found', `There is no run ${run_id}.`);
  return run;
}

async function end(
  tx: Tx,
  {
    run_id,
    ending,
    execution,
    attempt,
  }: { run_id: string; ending: Ending; execution: string | null; attempt: number },
): Promise<{ status: RunStatus }> {
  // In the order in which all others lock: steps, run, calls, day.
  const events = await endSteps(tx, run_id, ending.status);
  await freeHeldBack(tx, run_id);
  const { event, change } = await factOf(tx, run_id, ending);
  await tx.query('update wishes set closed_at = now() where run_id = $1 and closed_at is null', [run_id]);
  const { status } = await append(tx, run_id, {
    attempt,
    events: [...events, event],
    change: { ...change, ...(execution !== null && { execution }), phase: null, finished_at: DATABASE_NOW },
  });
  return { status };
}

/** Ends a run that nobody has started, under `lockStepsOf`: with the steps that a restart has. A workflow that starts later finds it over. */
export async function endUnstarted(
  tx: Tx,
  { run_id, attempt }: { run_id: string; attempt: number },
  { status, reason, event }: { status: 'cancelled' | 'timed_out'; reason: string | null; event: NewEvent },
): Promise<void> {
  const steps = await endSteps(tx, run_id, status);
  await append(tx, run_id, {
    attempt,
    events: [...steps, event],
    change: { status, status_reason: reason, phase: null, finished_at: DATABASE_NOW },
  });
}

/** Cancels every step of a run that has not ended, under `lockStepsOf`. @returns the facts of it, which come before the end of the run. */
async function endSteps(tx: Tx, run_id: string, status: Ending['status']): Promise<NewEvent[]> {
  const cancelled = await cancelSteps(tx, run_id, STEP_REASONS[status]);
  return cancelled.map(({ reason, ...step }): NewEvent => {
    return { key: keyOf(step, 'ended'), type: 'step.cancelled', step_id: step.step_id, data: { reason } };
  });
}

async function factOf(
  tx: Tx,
  run_id: string,
  ending: Ending,
): Promise<{ event: NewEvent; change: RunChange }> {
  switch (ending.status) {
    case 'failed': {
      const { message } = ending.failure;
      // Messages may quote what a model said. One that Postgres refuses would be tried again for ever, and the run never end.
      const failure = await withCause(tx, run_id, { ...ending.failure, message: storableText(message) });
      const change = { status: 'failed', status_reason: failure.message, error: failure } as const;
      return { event: { key: 'ended', type: 'run.failed', data: { failure } }, change };
    }
    case 'timed_out': {
      const { limit } = ending;
      const change = { status: 'timed_out', status_reason: `It took longer than ${limit.value} s.` } as const;
      return { event: { key: 'ended', type: 'run.timed_out', data: { limit } }, change };
    }
    case 'cancelled': {
      const who = ending.by === 'temporal' ? byTemporal(ending.reason) : await wishOf(tx, run_id);
      const change = { status: 'cancelled', status_reason: who.reason } as const;
      return { event: { key: 'ended', type: 'run.cancelled', data: who }, change };
    }
  }
}

/** An operator, who may have said why. */
function byTemporal(reason = ''): { actor: string; reason: string | null } {
  return { actor: 'temporal', reason: reason === '' ? null : storableText(reason) };
}

/** Who wished the run cancelled, and why. */
async function wishOf(tx: Tx, run_id: string): Promise<{ actor: string; reason: string | null }> {
  const [wish] = await tx.query<{ actor: string; reason: string | null }>(
    `select actor, reason from wishes where run_id = $1 and kind = 'cancel' order by attempt desc limit 1`,
    [run_id],
  );
  return { actor: wish?.actor ?? 'unknown', reason: wish?.reason ?? null };
}

/** A run that failed by a step says how the step failed. */
async function withCause(tx: Tx, run_id: string, failure: Failure): Promise<Failure> {
  if (failure.step_id === undefined) return failure;
  const [step] = await tx.query<{ failure: Failure | null }>(
    'select failure from steps where run_id = $1 and id = $2 order by plan_version desc limit 1',
    [run_id, failure.step_id],
  );
  const cause = step?.failure;
  if (cause === null || cause === undefined) return failure;
  const { code, message } = cause;
  return { ...failure, message: `Step ${failure.step_id} failed: ${message}`, cause: { code, message } };
}
