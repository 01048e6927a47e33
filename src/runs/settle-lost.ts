import type { Ending } from '../contracts/ending';
import { Refusal } from '../contracts/refusal';
import type { Database } from '../db/database';
import { letGo, lockUnheard, noteStartedAgain, type UnheardRun } from '../db/lost-runs';
import { MAX_WAIT_S } from '../workflows/messages';
import { endRun } from './end-run';
import type { RunStarter } from './run-workflows';

export interface LostRunDeps {
  db: Database;
  workflows: RunStarter;
}

/** What became of a run whose workflow was lost. */
export type Settled = 'started' | 'cancelled' | 'timed_out';

/**
 * Starts a run again whose workflow Temporal has lost. It goes on in the attempt that it is in: to what was stored the new workflow is one
 * that tries its work again, as after the loss of a worker. So wishes stay, and steps that failed are not done again, as they are after a
 * Reset. The run lets go of its old execution first: a start that Temporal takes later than anybody waits for finds it so, and one that was
 * cancelled or has ended by then, too.
 * @returns false where something was heard of the run meanwhile, it is to be cancelled, or Temporal knows a closed workflow of it
 * @throws when Temporal does not take it in time
 */
async function startAgain({ db, workflows }: LostRunDeps, run_id: string): Promise<boolean> {
  const run = await db.transaction(async (tx) => {
    const unheard = await lockUnheard(tx, run_id, MAX_WAIT_S);
    if (unheard === undefined || unheard.status === 'cancelling') return undefined;
    await letGo(tx, unheard);
    return unheard;
  });
  if (run === undefined) return false;
  const execution = await workflows.start(run);
  if (execution === null) return false;
  await noteStartedAgain(db, run_id, execution);
  return true;
}

/**
 * Settles a run of which nothing was heard and whose workflow is not open. One that is to be cancelled ends so: nobody has to be told any
 * more. Another one is started again, where it may be; where it may not, or Temporal does not take it, it ends once its time is over.
 * @param mayStart whether Temporal does not know its workflow, and is the one that had it
 * @param onNotStarted hears why Temporal did not take it
 * @returns what became of the run, and the run; null where it stays as it is
 */
export async function settleLost(
  deps: LostRunDeps,
  run_id: string,
  mayStart: (run: UnheardRun) => boolean,
  onNotStarted: (error: unknown) => void,
): Promise<{ run: UnheardRun; became: Settled } | null> {
  const run = await lockUnheard(deps.db, run_id, MAX_WAIT_S);
  if (run === undefined) return null;
  if (run.status === 'cancelling') return end(deps.db, run, { status: 'cancelled', by: 'wish' });
  if (mayStart(run)) {
    const started = await startAgain(deps, run_id).catch((error: unknown) => void onNotStarted(error));
    if (started !== undefined) return started ? { run, became: 'started' } : null;
  }
  return run.over && end(deps.db, run, { status: 'timed_out', limit: run.over });
}

/** Ends it for the execution that had it, so that one which has taken over since is not ended. */
async function end(
  db: Database,
  run: UnheardRun,
  ending: Ending & { status: 'cancelled' | 'timed_out' },
): Promise<{ run: UnheardRun; became: Settled } | null> {
  try {
    await endRun(db, { run_id: run.id, ending }, run.execution);
  } catch (error) {
    if (error instanceof Refusal && error.code === 'superseded') return null;
    throw error;
  }
  return { run, became: ending.status };
}
