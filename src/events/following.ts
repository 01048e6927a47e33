import type { Batch } from './batch';
import type { CatchUp } from './catch-up';
import type { StoredEvent } from './read';
import type { Topic } from './topic';

/** Who reads a run. Called from the hub, one call at a time. */
export interface Reader {
  /**
   * Whether it takes anything now: from what is `live`, or from the `table`, which costs a read. Who says no calls `next` of its
   * following later.
   */
  wants(source: 'live' | 'table'): boolean;
  /** The read that it wanted is over. Called before it is given what was found, also when it was stopped meanwhile. */
  haveRead(): void;
  /**
   * Takes what comes next. @returns the number it got to: short of the batch's last one, it calls `next` later and is given the rest.
   */
  take(batch: Batch, source: 'live' | 'table'): number;
  /** The run is over, and this event, which was given, ends it. */
  over(end: StoredEvent): void;
  /** It cannot be read on. */
  lost(error: Error): void;
}

/**
 * One reader's way through the events of a run. It costs no promise and no timer: the topic calls it when there is news.
 *
 *   idle      waits for `next`: by the topic when there is news, by its reader when that has room again
 *   reading   the table is being read for it
 *   stopped   over, lost or left; nothing is called any more
 */
export class Following {
  private state: 'idle' | 'reading' | 'stopped' = 'idle';
  /** The event it was given last, if that ends the run. */
  private end: StoredEvent | null = null;

  constructor(
    private readonly topic: Topic,
    private readonly catch_up: CatchUp,
    private readonly reader: Reader,
    private cursor: number,
  ) {}

  /** Last number that is known of the run. */
  get head(): number {
    return this.topic.head;
  }

  /** Gives the reader what there is, as far as it wants it. The first call begins. */
  next(): void {
    while (this.state === 'idle') {
      const batch = this.topic.after(this.cursor);
      // After a terminal event the table has the last word: a reopened run goes on, whether the topic has heard of it or not.
      const source = batch === 'behind' || (batch === null && this.end !== null) ? 'table' : 'live';
      if (source === 'live' && batch === null) return;
      if (!this.reader.wants(source)) return;
      if (source === 'table') return this.read();
      if (!this.give(batch as Batch, source)) return;
    }
  }

  stop(): void {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.topic.leave(this);
  }

  /** Ends it with a reason its reader hears. */
  fail(error: Error): void {
    if (this.state === 'stopped') return;
    this.stop();
    this.reader.lost(error);
  }

  private read(): void {
    this.state = 'reading';
    this.catch_up.read(this.topic.run_id, this.cursor, (found) => {
      this.reader.haveRead();
      if (this.state === 'stopped') return;
      this.state = 'idle';
      if (found instanceof Error) return this.fail(found);
      if (found !== null) {
        if (this.give(found, 'table')) this.next();
      } else if (this.end !== null) {
        this.stop();
        this.reader.over(this.end);
      }
    });
  }

  /** @returns whether the reader took all of it. */
  private give(batch: Batch, source: 'live' | 'table'): boolean {
    const taken = this.reader.take(batch, source);
    if (taken > this.cursor) this.end = null;
    this.cursor = taken;
    if (taken < batch.last.seq) return false;
    if (batch.last.terminal) this.end = batch.last;
    return true;
  }
}
