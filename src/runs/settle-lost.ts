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
 * Settles a run of which nothing was heard and whose workflow is not open. One that is to be cancelled ends so: nobody has to be told any
 * more. Another one is started again, where it may be; where it may not, or Temporal does not take it, it ends once its time is over.
 *
 * One that is started again goes on in the attempt that it is in: to what was stored the new workflow is one that tries its work again, as
 * after the loss of a worker. So wishes stay, and steps that failed are not done again, as they are after a Reset. The run lets go of its old
 * execution first: a start that Temporal takes later than anybody waits for finds it so, and one that was cancelled or has ended by then, too.
 * @param mayStart whether Temporal does not know its workflow, and is the one that had it
 * @param onNotStarted hears why Temporal did not take it
 * @returns what became of the run, and the run; null where it stays as it is, or Temporal knows a closed workflow of it
 */
export async function settleLost(
  { db, workflows }: LostRunDeps,
  run_id: string,
  mayStart: (run: UnheardRun) => boolean,
  onNotStarted: (error: unknown) => void,
): Promise<{ run: UnheardRun; became: Settled } | null> {
  const found = await db.transaction(async (tx) => {
    const run = await lockUnheard(tx, run_id, MAX_WAIT_S);
    if (run === undefined) return null;
    const to_start = run.status !== 'cancelling' && mayStart(run);
    if (to_start) await letGo(tx, run);
    return { run, to_start };
  });
  if (found === null) return null;
  const { run, to_start } = found;
  if (run.status === 'cancelling') return end(db, run, { status: 'cancelled', by: 'wish' });
  if (to_start) {
    try {
      const execution = await workflows.start(run);
      if (execution === null) return null;
      await noteStartedAgain(db, run_id, execution);
      return { run, became: 'started' };
    } catch (error) {
      onNotStarted(error);
    }
  }
  return run.over && end(db, run, { status: 'timed_out', limit: run.over });
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
