import { Refusal } from '../contracts/refusal';
import type { Database } from '../db/database';
import { oldestOpenRun, openRunsOf } from '../db/runs';
import type { ClosedWorkflows } from './closed-workflows';
import { endRun } from './end-run';
import { inExecution } from './reopen';

/** How far a look reaches back beyond the one before it, milliseconds: Temporal's list lags behind, and clocks differ. */
const OVERLAP_MS = 60_000;
/** Runs that are ended at once. */
const TOGETHER = 10;

/**
 * Ends runs whose workflows were closed from outside: an operator has terminated them, so no activity will ever say how they end. Each look
 * asks what was closed since the one before, so that it costs the same however many runs have ended; the first one asks since the
 * oldest run that is open.
 */
export class ClosedRuns {
  private since: Date | null = null;

  constructor(
    private readonly db: Database,
    private readonly closed: ClosedWorkflows,
    private readonly onFault: (what: string, error: unknown) => void,
  ) {}

  /** Has the next look be a first one: another process may have looked since. */
  forget(): void {
    this.since = null;
  }

  /**
   * @param now by the clock of the database, which is nearer to that of Temporal than the clock of a process may be
   * @throws when Temporal or Postgres is away; the next look then reaches back as far as this one
   */
  async look(now: Date): Promise<void> {
    const since = this.since ?? (await oldestOpenRun(this.db)) ?? now;
    let whole = true;
    for await (const ids of this.closed.since(since)) {
      const open = await openRunsOf(this.db, ids);
      for (let at = 0; at < open.length; at += TOGETHER) {
        const ended = await Promise.all(open.slice(at, at + TOGETHER).map((run_id) => this.tryToEnd(run_id)));
        whole &&= ended.every(Boolean);
      }
    }
    if (whole) this.since = new Date(now.getTime() - OVERLAP_MS);
  }

  private async tryToEnd(run_id: string): Promise<boolean> {
    try {
      await this.end(run_id);
      return true;
    } catch (error) {
      this.onFault(`Run ${run_id}, whose workflow was closed, could not be ended`, error);
      return false;
    }
  }

  /** Looks again: a Reset closes a workflow too, and the run goes on in a newer one. */
  private async end(run_id: string): Promise<void> {
    const workflow = await this.closed.newestOf(run_id);
    if (workflow === null) return;
    const { execution, reason } = workflow;
    const ending = { status: 'cancelled', by: 'temporal', ...(reason !== null && { reason }) } as const;
    try {
      await inExecution(this.db, { run_id, execution }, () => endRun(this.db, { run_id, ending }, execution));
    } catch (error) {
      if (error instanceof Refusal && error.code === 'superseded') return; // it was reset a moment ago
      throw error;
    }
  }
}
