import { noteStarted } from '../db/run-starts';
import type { Tx } from '../db/tx';

/** Pause between two notes, milliseconds: much shorter than a claim. */
const NOTE_EVERY_MS = 400;

/**
 * Notes which runs Temporal has taken and no worker has begun yet, all of a moment in one statement: where workers are behind, each of
 * them would be started a second time once its claim has ended. A note that is lost costs that second start, nothing else.
 */
export class StartNotes {
  private started: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private noting: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Tx,
    private readonly onFault: (error: unknown) => void,
  ) {}

  add(run_id: string): void {
    this.started.push(run_id);
    this.timer ??= setTimeout(() => this.note(), NOTE_EVERY_MS);
  }

  /** Resolves when all is noted. */
  async close(): Promise<void> {
    this.note();
    await this.noting;
  }

  private note(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const ids = this.started.splice(0);
    if (ids.length === 0) return;
    this.noting = this.noting.then(() => noteStarted(this.db, ids)).catch(this.onFault);
  }
}
