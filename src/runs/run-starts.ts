import { claimUnstartedRuns, type UnstartedRun } from '../db/run-starts';
import type { Database } from '../db/database';
import { openListener, type Listener } from '../events/listener';
import type { KnownWorkflows } from './known-workflows';
import type { RunStarter } from './run-workflows';
import { StartNotes } from './start-notes';
import { timeOutUnstarted } from './time-out-unstarted';

/** Pause between two looks without a notice, milliseconds. */
const LOOK_EVERY_MS = 1_000;
/** Starts on their way at once, at most. Each holds a place for the task that comes with it, and the tasks of other runs need some too. */
const MAX_UNDER_WAY = 16;

export interface RunStartsDeps {
  db: Database;
  /** URL of the database, to hear of new runs. */
  url: string;
  workflows: RunStarter;
  /** The Temporal that it hands them over to. */
  known: Pick<KnownWorkflows, 'namespaceId'>;
  /** Hears which run Temporal did not take, and why. */
  onNotStarted: (run: UnstartedRun, error: unknown) => void;
  onFault: (what: string, error: unknown) => void;
}

/**
 * Hands committed runs over to Temporal: at once when it hears of them, else by a look every second. Every process that carries runs
 * out has one, for whoever starts a workflow gets its first task with the reply. What Temporal does not take is claimed anew some seconds
 * later.
 */
export class RunStarts {
  private readonly underWay = new Set<Promise<void>>();
  private readonly notes: StartNotes;
  private readonly listener: Listener;
  private readonly timer: NodeJS.Timeout;
  private claiming: Promise<void> | null = null;
  /** There may be more than the last look has claimed. */
  private more = false;
  /** A start has failed since the timer ticked: the next ones would probably fail too, and not a circle of them is to be made. */
  private resting = false;
  private closed = false;
  /** Null until Temporal has said it. */
  private namespace_id: string | null = null;

  constructor(private readonly deps: RunStartsDeps) {
    this.notes = new StartNotes(deps.db, (error) => deps.onFault('Starts of runs could not be noted', error));
    this.listener = openListener(deps.url, 'longhaul_runs', {
      onNotice: () => this.look(),
      onConnected: () => this.look(),
      onLost: (error) => deps.onFault('The connection that hears of new runs was lost', error),
    });
    this.timer = setInterval(() => {
      this.resting = false;
      this.look();
    }, LOOK_EVERY_MS);
  }

  /** Claims nothing any more; resolves when no start is on its way: the connection to Temporal may be closed then. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    await this.listener.close();
    await this.claiming;
    await Promise.all(this.underWay);
    await this.notes.close();
  }

  private look(): void {
    this.more = true;
    const busy = this.claiming !== null || this.underWay.size >= MAX_UNDER_WAY;
    if (this.closed || this.resting || busy) return;
    this.more = false;
    this.claiming = this.claim()
      .catch((error: unknown) => this.deps.onFault('Runs could not be claimed', error)) // the next look tries again
      .finally(() => {
        this.claiming = null;
        if (this.more) this.look();
      });
  }

  private async claim(): Promise<void> {
    const room = MAX_UNDER_WAY - this.underWay.size;
    // Where Temporal does not say, runs are claimed all the same: one whose time is over is to be ended.
    this.namespace_id ??= await this.deps.known.namespaceId().catch(() => null);
    const runs = await claimUnstartedRuns(this.deps.db, room, this.namespace_id);
    for (const run of runs) this.begin(run);
    if (runs.length === room) this.more = true;
  }

  private begin(run: UnstartedRun): void {
    const work: Promise<void> = (run.late ? this.timeOut(run) : this.start(run)).finally(() => {
      this.underWay.delete(work);
      if (this.more) this.look();
    });
    this.underWay.add(work);
  }

  private async start(run: UnstartedRun): Promise<void> {
    try {
      await this.deps.workflows.start(run);
      this.notes.add(run.id);
    } catch (error) {
      this.resting = true;
      this.deps.onNotStarted(run, error);
    }
  }

  private async timeOut(run: UnstartedRun): Promise<void> {
    try {
      await timeOutUnstarted(this.deps.db, run);
    } catch (error) {
      this.deps.onFault(`The time of ${run.id} is over, but its end could not be stored`, error); // it is claimed anew
    }
  }
}
