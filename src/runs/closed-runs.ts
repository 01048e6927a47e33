import { Refusal } from '../contracts/refusal';
import type { Database } from '../db/database';
import { oldestOpenRun, openRunsOf } from '../db/runs';
import type { ClosedWorkflows } from './closed-workflows';
import { endRun } from './end-run';
import { inExecution } from './reopen';

/** How late Temporal's list may name a workflow that was closed, milliseconds: so much later one may come that was closed before others. */
const LISTED_WITHIN_MS = 60_000;
/** How far the clock of the database, which says how old a run is, may be ahead of Temporal's, milliseconds. */
const CLOCKS_DIFFER_MS = 24 * 3_600_000;
/** Runs that are ended at once. */
const TOGETHER = 10;

/** The newest workflow that was found. */
interface Newest {
  /** By the clock of Temporal. */
  closed_at: Date;
  /** When a look found it, in milliseconds of this process. */
  found_ms: number;
}

/**
 * Ends runs whose workflows were closed from outside: an operator has terminated them, so no activity will ever say how they end. Each look
 * asks for what was closed since the newest that those before it have found, so that it costs the same however many runs have ended, and
 * Temporal's clock is compared with itself alone. Where none was found yet, it asks since the oldest run that is open.
 */
export class ClosedRuns {
  private newest: Newest | null = null;

  constructor(
    private readonly db: Database,
    private readonly closed: ClosedWorkflows,
    private readonly onFault: (what: string, error: unknown) => void,
  ) {}

  /** Has the next look be a first one: another process may have looked since. */
  forget(): void {
    this.newest = null;
  }

  /**
   * @param now_ms milliseconds of this process, from whenever on
   * @throws when Temporal or Postgres is away; the next look then reaches back as far as this one
   */
  async look(now_ms: number): Promise<void> {
    const since = await this.since(now_ms);
    if (since === null) return;
    let { newest } = this;
    let whole = true;
    for await (const page of this.closed.since(since)) {
      for (const { closed_at } of page) {
        if (newest === null || closed_at > newest.closed_at) newest = { closed_at, found_ms: now_ms };
      }
      const ids = page.map(({ run_id }) => run_id);
      const open = await openRunsOf(this.db, ids);
      for (let at = 0; at < open.length; at += TOGETHER) {
        const ended = await Promise.all(open.slice(at, at + TOGETHER).map((run_id) => this.tryToEnd(run_id)));
        whole &&= ended.every(Boolean);
      }
    }
    if (whole) this.newest = newest;
  }

  /** @returns null where no run is open that could be ended */
  private async since(now_ms: number): Promise<Date | null> {
    if (this.newest !== null) {
      const { closed_at, found_ms } = this.newest;
      return now_ms - found_ms > LISTED_WITHIN_MS ? closed_at : earlier(closed_at, LISTED_WITHIN_MS);
    }
    const oldest = await oldestOpenRun(this.db);
    return oldest && earlier(oldest, CLOCKS_DIFFER_MS);
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

function earlier(time: Date, by_ms: number): Date {
  return new Date(time.getTime() - by_ms);
}
