import type { StoredEvent } from './read';

/** Numbers that a reader is not given: their deltas were folded away, or it was too slow for them. */
export interface Gap {
  from: number;
  to: number;
  reason: 'folded' | 'slow';
}

/** What a reader is given: an event, or the news that numbers are missing. */
export type StreamItem = { kind: 'event'; event: StoredEvent } | ({ kind: 'gap' } & Gap);

/**
 * Consecutive events of a run, at least one. Readers that are at the same place are given the same object, so that what is made of it
 * for one of them serves all the others.
 */
export class Batch {
  private readonly made = new Map<string, unknown>();
  readonly items: readonly StreamItem[];
  readonly last: StoredEvent;

  /** @param after number that its readers have */
  constructor(
    readonly after: number,
    events: readonly StoredEvent[],
  ) {
    this.items = withGaps(after, events);
    this.last = events.at(-1)!;
  }

  /** What `make` makes of it, made once per `key`. */
  once<T>(key: string, make: (batch: Batch) => T): T {
    let found = this.made.get(key) as T | undefined;
    if (found === undefined) {
      found = make(this);
      this.made.set(key, found);
    }
    return found;
  }
}

/** Turns events into items: where a number is missing, the reader is told which. */
export function withGaps(cursor: number, events: readonly StoredEvent[]): StreamItem[] {
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
