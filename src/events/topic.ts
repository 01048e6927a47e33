import type { StoredEvent } from './read';

/** What a reader is given: an event, or the news that numbers are missing (their deltas were folded away). */
export type StreamItem =
  { kind: 'event'; event: StoredEvent } | { kind: 'gap'; from: number; to: number; reason: 'folded' };

/** Newest events of a run kept for its live readers; who is further behind reads the table. */
const RING_EVENTS = 512;
const RING_CHARS = 1_000_000;

/**
 * One watched run in this process: the newest events, shared by all its readers.
 *
 *   head            last number that was read; readers beyond it wait
 *   ring            the newest events up to head, contiguous in the table's order, bounded
 *   floor           every event after this number is in the ring
 */
export class Topic {
  private readonly waiting = new Set<() => void>();
  readers = 0;
  /** Time from which the next notice is read at once, milliseconds since the process began. */
  rested_at = 0;
  private ring: StoredEvent[] = [];
  private chars = 0;
  private floor: number;

  constructor(
    readonly run_id: string,
    public head: number,
  ) {
    this.floor = head;
  }

  /** Takes what was read after `head` and wakes everybody who waits. */
  add(events: StoredEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.head) continue;
      this.ring.push(event);
      this.chars += event.json.length;
      this.head = event.seq;
    }
    while (this.ring.length > RING_EVENTS || (this.chars > RING_CHARS && this.ring.length > 1)) {
      const dropped = this.ring.shift()!;
      this.chars -= dropped.json.length;
      this.floor = dropped.seq;
    }
    if (events.length > 0) this.wake();
  }

  /** Events after `cursor` from the ring; null when the cursor lies before it and the table has to be read. */
  after(cursor: number): StoredEvent[] | null {
    if (cursor < this.floor) return null;
    return this.ring.filter((event) => event.seq > cursor);
  }

  /** Resolves when there is something after `cursor`, when `signal` is aborted, or when everybody is woken. */
  news(cursor: number, signal: AbortSignal): Promise<void> {
    if (this.head > cursor || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        signal.removeEventListener('abort', go);
        this.waiting.delete(go);
        resolve();
      };
      this.waiting.add(go);
      signal.addEventListener('abort', go);
    });
  }

  wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const go of waiting) go();
  }
}

/** Turns events into items: where a number is missing, the reader is told which. */
export function withGaps(cursor: number, events: StoredEvent[]): StreamItem[] {
  const items: StreamItem[] = [];
  for (const event of events) {
    if (event.seq > cursor + 1) {
      items.push({ kind: 'gap', from: cursor + 1, to: event.seq - 1, reason: 'folded' });
    }
    items.push({ kind: 'event', event });
    cursor = event.seq;
  }
  return items;
}
