import { Turns } from '../turns';
import type { RunWorkflows, StartableRun } from './run-workflows';

/** Starts on their way at once, at most: beyond it a submit waits for a place, which slows a flood down to what Temporal takes. */
const MAX_UNDER_WAY = 32;

/**
 * Hands committed runs over to Temporal while their clients have their reply already: what the reply promises is in Postgres, and a run that
 * Temporal does not take now is handed over by the reconciler.
 */
export class RunStarts {
  private readonly underWay = new Set<Promise<void>>();
  private readonly turns = new Turns();

  /**
   * @param onNotStarted hears which run Temporal did not take, and why
   * @param onStarted hears which it did
   */
  constructor(
    private readonly workflows: Pick<RunWorkflows, 'start'>,
    private readonly onNotStarted: (run_id: string, error: unknown) => void,
    private readonly onStarted: (run_id: string) => void = () => undefined,
  ) {}

  /** Resolves when the run is on its way, which is at once unless too many are. Never throws. */
  async begin(run: StartableRun): Promise<void> {
    await this.turns.take(MAX_UNDER_WAY);
    const start: Promise<void> = this.workflows
      .start(run)
      .then(
        () => this.onStarted(run.id),
        (error: unknown) => this.onNotStarted(run.id, error),
      )
      .finally(() => this.leave(start));
    this.underWay.add(start);
  }

  /** Resolves when no start is on its way: the connection to Temporal may be closed then. */
  async settled(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private leave(start: Promise<void>): void {
    this.underWay.delete(start);
    this.turns.leave();
  }
}
