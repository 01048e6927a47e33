import type { Tx } from '../db/tx';
import { CatchUp } from './catch-up';
import { Following, type Reader } from './following';
import { openListener, type Listener } from './listener';
import { readAfter, type StoredEvent } from './read';
import { Topic } from './topic';

/** A run's first notice is read at once; further ones within this time share one read. Milliseconds. */
const REST_MS = 3;
/** All watched runs are read this often, notice or not. Milliseconds. */
const POLL_MS = 1_500;
/** Runs in one statement. */
const RUNS_PER_READ = 1_000;

export interface HubDeps {
  url: string;
  db: Tx;
  /** Hears of reads that failed and of a lost listening connection; both are tried again. */
  onFault: (what: string, error: Error) => void;
  /** Hears how long after its being stored an event was read for live readers, seconds; of each read, the newest, as far as the two clocks agree. */
  onLag?: (seconds: number) => void;
}

/** Live events for all readers of a process: one LISTEN connection and one poll, however many readers there are. */
export class EventHub {
  private readonly topics = new Map<string, Topic>();
  private readonly due = new Set<Topic>();
  private readonly catch_up: CatchUp;
  private readonly listener: Listener;
  private readonly poll: NodeJS.Timeout;
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> | null = null;
  private closed = false;
  /** Whether notices arrive; without them readers still get everything, by the poll. */
  listening = false;

  constructor(private readonly deps: HubDeps) {
    this.catch_up = new CatchUp(deps.db);
    this.listener = openListener(deps.url, 'longhaul_events', {
      onNotice: (run_id) => {
        const topic = this.topics.get(run_id);
        if (topic !== undefined) this.schedule(topic);
      },
      onConnected: () => {
        this.listening = true;
        this.readAll();
      },
      onLost: (error) => {
        this.listening = false;
        deps.onFault('The listening connection was lost', error);
      },
    });
    this.poll = setInterval(() => this.readAll(), POLL_MS);
  }

  /** Readers that follow a run in this process, over all runs. */
  get readers(): number {
    let sum = 0;
    for (const topic of this.topics.values()) sum += topic.readers;
    return sum;
  }

  /**
   * Everything after number `after`, in order, for a reader: first from the table, then live, in batches, to the event that ends the
   * run. Begins with the first `next` of what it returns. A reader that wants nothing costs nothing.
   * @param head last number of the run as its row said a moment ago
   */
  follow(run_id: string, { after, head }: { after: number; head: number }, reader: Reader): Following {
    // Join first, then read the table, then live on what the topic hears: nothing can fall in between.
    const topic = this.topicOf(run_id, head);
    const following = new Following(topic, this.catch_up, reader, after);
    topic.join(following);
    return following;
  }

  /** Runs that somebody follows, for the metrics. */
  watched(): number {
    return this.topics.size;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.poll);
    clearTimeout(this.timer);
    for (const topic of [...this.topics.values()]) topic.fail(new Error('The hub is closed.'));
    await this.listener.close();
    await this.reading;
  }

  private topicOf(run_id: string, head: number): Topic {
    let topic = this.topics.get(run_id);
    if (topic === undefined) {
      topic = new Topic(run_id, head, (empty) => this.forget(empty));
      this.topics.set(run_id, topic);
      this.schedule(topic); // what was announced between the look at the row and now
    }
    return topic;
  }

  private forget(topic: Topic): void {
    this.topics.delete(topic.run_id);
    this.due.delete(topic);
  }

  private readAll(): void {
    for (const topic of this.topics.values()) {
      topic.rested_at = 0;
      this.due.add(topic);
    }
    this.readDue();
  }

  private schedule(topic: Topic): void {
    this.due.add(topic);
    const rest = topic.rested_at - performance.now();
    if (rest <= 0) return this.readDue();
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.readDue();
    }, Math.ceil(rest));
  }

  /** Reads the runs that are due and rested, one statement at a time: what becomes due meanwhile shares the next one. */
  private readDue(): void {
    if (this.reading !== null || this.closed) return;
    const now = performance.now();
    const batch = [...this.due].filter((topic) => topic.rested_at <= now).slice(0, RUNS_PER_READ);
    if (batch.length === 0) return this.scheduleRest();
    this.reading = this.read(batch)
      .catch((error: Error) => this.deps.onFault('Events could not be read', error)) // the poll tries again
      .finally(() => {
        this.reading = null;
        this.readDue();
      });
  }

  private scheduleRest(): void {
    const [first] = this.due;
    if (first !== undefined) this.schedule(first);
  }

  private async read(batch: Topic[]): Promise<void> {
    for (const topic of batch) {
      this.due.delete(topic);
      topic.rested_at = performance.now() + REST_MS;
    }
    const events = await readAfter(
      this.deps.db,
      batch.map(({ run_id, head }) => ({ run_id, after: head })),
    );
    this.tellLag(events);
    const byRun = new Map<string, StoredEvent[]>(batch.map(({ run_id }) => [run_id, []]));
    for (const event of events) byRun.get(event.run_id)!.push(event);
    for (const topic of batch) {
      const news = byRun.get(topic.run_id)!;
      topic.add(news);
      if (news.at(-1)?.more !== true) continue;
      topic.rested_at = 0;
      this.due.add(topic);
    }
  }

  private tellLag(events: StoredEvent[]): void {
    if (this.deps.onLag === undefined || events.length === 0) return;
    const newest = events.reduce((latest, { time_ms }) => Math.max(latest, time_ms), 0);
    this.deps.onLag(Math.max(0, Date.now() - newest) / 1_000);
  }
}
