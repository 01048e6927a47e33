import type { Tx } from '../db/tx';
import { Batch } from './batch';
import { readAfter, type StoredEvent } from './read';

/** Statements under way at once: the pool is there for requests too. */
const AT_ONCE = 3;
/** Places in one statement; each may bring a whole page. */
const PLACES_PER_READ = 16;

/** Hears of what comes after a place: null when there is nothing, an error when it could not be read. */
type Answer = (found: Batch | null | Error) => void;

interface Place {
  run_id: string;
  after: number;
  answers: Answer[];
}

/**
 * Reads the table for readers that are behind. Those that ask for the same place while it waits for its turn share one read; a read that
 * is under way is joined by nobody, because it may have missed what its asker knows of.
 */
export class CatchUp {
  private readonly waiting = new Map<string, Place>();
  private running = 0;

  constructor(private readonly db: Tx) {}

  read(run_id: string, after: number, answer: Answer): void {
    const key = `${run_id}:${after}`;
    const place = this.waiting.get(key);
    if (place === undefined) this.waiting.set(key, { run_id, after, answers: [answer] });
    else place.answers.push(answer);
    this.begin();
  }

  private begin(): void {
    if (this.running >= AT_ONCE || this.waiting.size === 0) return;
    this.running += 1;
    // In the next turn: who asks in this one, as all readers of a run do when it ends, shares the read.
    setImmediate(() => {
      void this.readSome().finally(() => {
        this.running -= 1;
        this.begin();
      });
    });
  }

  private async readSome(): Promise<void> {
    const places = this.next();
    if (places.length === 0) return;
    const found = await readAfter(this.db, places).catch((error: Error) => error);
    for (const { run_id, after, answers } of places) {
      const answer = found instanceof Error ? found : batchOf(run_id, after, found);
      for (const tell of answers) tell(answer);
    }
  }

  /** The places that have waited longest, of each run one: their events are told apart by the run. */
  private next(): Place[] {
    const places = new Map<string, Place>();
    for (const [key, place] of this.waiting) {
      if (places.size === PLACES_PER_READ) break;
      if (places.has(place.run_id)) continue;
      places.set(place.run_id, place);
      this.waiting.delete(key);
    }
    return [...places.values()];
  }
}

function batchOf(run_id: string, after: number, found: StoredEvent[]): Batch | null {
  const events = found.filter((event) => event.run_id === run_id);
  return events.length === 0 ? null : new Batch(after, events);
}
