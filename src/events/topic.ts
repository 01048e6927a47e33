import { Batch } from './batch';
import type { StoredEvent } from './read';

/** A reader's way through the run: see `Following`. */
interface Reading {
  /** There may be news for it. */
  next(): void;
  /** It cannot go on. */
  fail(error: Error): void;
}

/** Newest events of a run kept for its live readers; who is further behind reads the table. */
const RING_EVENTS = 512;
const RING_CHARS = 1_000_000;
/** Readers that are served in one go. With more, the process does other work in between. */
const READERS_AT_ONCE = 100;

/**
 * One watched run in this process: the newest events, shared by all its readers.
 *
 *   head            last number that was read; readers beyond it wait
 *   ring            the newest events up to head, contiguous in the table's order, bounded
 *   floor           every event after this number is in the ring
 *   due             readers that have not been told of the newest events yet, in the order they are told
 *   batches         what these readers share, by the number they have; forgotten when all are told
 */
export class Topic {
  private readonly followings = new Set<Reading>();
  private readonly due = new Set<Reading>();
  private readonly batches = new Map<number, Batch>();
  private turn: NodeJS.Immediate | undefined;
  /** Time from which the next notice is read at once, milliseconds since the process began. */
  rested_at = 0;
  private ring: StoredEvent[] = [];
  private chars = 0;
  private floor: number;

  constructor(
    readonly run_id: string,
    public head: number,
    /** Its last reader has left. */
    private readonly onEmpty: (topic: Topic) => void,
  ) {
    this.floor = head;
  }

  get readers(): number {
    return this.followings.size;
  }

  join(following: Reading): void {
    this.followings.add(following);
  }

  leave(following: Reading): void {
    this.followings.delete(following);
    this.due.delete(following);
    if (this.followings.size === 0) this.onEmpty(this);
  }

  /** Takes what was read after `head` and tells every reader. */
  add(events: StoredEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.head) continue;
      this.ring.push(event);
      this.chars += event.json.length;
      this.head = event.seq;
    }
    let dropped = 0;
    while (
      this.ring.length - dropped > RING_EVENTS ||
      (this.chars > RING_CHARS && this.ring.length - dropped > 1)
    ) {
      this.chars -= this.ring[dropped]!.json.length;
      this.floor = this.ring[dropped]!.seq;
      dropped += 1;
    }
    this.ring.splice(0, dropped);
    if (events.length === 0) return;
    this.batches.clear();
    // Who still waits for its turn keeps it: with news in quick succession the last ones would never be told.
    for (const following of this.followings) this.due.add(following);
    if (this.turn === undefined) this.tell();
  }

  /** What comes after `cursor`: null when there is nothing yet, `behind` when the table has to be read for it. */
  after(cursor: number): Batch | 'behind' | null {
    if (cursor < this.floor) return 'behind';
    if (cursor >= this.head) return null;
    let batch = this.batches.get(cursor);
    if (batch === undefined) {
      batch = new Batch(
        cursor,
        this.ring.filter(({ seq }) => seq > cursor),
      );
      if (this.due.size > 0) this.batches.set(cursor, batch);
    }
    return batch;
  }

  /** Ends all readers, with a reason they hear. */
  fail(error: Error): void {
    for (const following of [...this.followings]) following.fail(error);
  }

  private tell(): void {
    this.turn = undefined;
    let told = 0;
    for (const following of this.due) {
      if (told === READERS_AT_ONCE) break;
      told += 1;
      following.next(); // while it is still due: it shares its batch with the others
      this.due.delete(following);
    }
    if (this.due.size > 0) this.turn = setImmediate(() => this.tell());
    else this.batches.clear();
  }
}
