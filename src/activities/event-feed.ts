import { Unavailable } from '../db/unavailable';
import type { NewEvent } from '../events/append';

/**
 * Appends facts of something that is still going on, in their order, while it goes on: one append at a time, with all that has come
 * meanwhile.
 */
export class EventFeed {
  private waiting: NewEvent[] = [];
  private writing: Promise<void> = Promise.resolve();
  private fault: { error: unknown } | undefined;

  /**
   * @param write appends; when it fails nothing more is written, and `done` throws what it threw
   * @param onFault told once, so that what goes on can be stopped: not where Postgres is away, since what goes on may well end after that
   */
  constructor(
    private readonly write: (events: NewEvent[]) => Promise<void>,
    private readonly onFault: () => void,
  ) {}

  add(event: NewEvent): void {
    this.waiting.push(event);
    this.writing = this.writing.then(async () => {
      const events = this.waiting.splice(0);
      if (events.length === 0 || this.fault !== undefined) return;
      try {
        await this.write(events);
      } catch (error) {
        this.fault = { error };
        if (!(error instanceof Unavailable)) this.onFault();
      }
    });
  }

  /** Resolves when all is appended. @throws what `write` threw. */
  async done(): Promise<void> {
    await this.writing;
    if (this.fault !== undefined) throw this.fault.error;
  }
}
