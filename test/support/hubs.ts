import { EventHub, type HubDeps } from '../../src/events/hub';
import type { StreamItem } from '../../src/events/batch';
import type { TestDatabase } from './database';
import { eventually } from './eventually';

/** A hub that keeps its faults, once its listening connection is there. */
export async function openHub(
  { url, db }: TestDatabase,
  deps: Partial<HubDeps> = {},
): Promise<EventHub & { faults: string[] }> {
  const faults: string[] = [];
  const hub = new EventHub({ url, db, onFault: (what) => void faults.push(what), ...deps });
  await eventually(() => hub.listening, { what: 'the hub to listen' });
  return Object.assign(hub, { faults });
}

/** A reader at work: what it was given so far. */
export interface Reader {
  items: StreamItem[];
  seqs(): number[];
  /** Waits until it has that number. */
  until(seq: number): Promise<void>;
  /** Takes what there is, once it is awake. */
  next(): void;
  stop(): void;
  /** Resolves when its stream is over. */
  over: Promise<void>;
}

/** Reads a run until its stream is over or the reader is stopped. While `asleep`, it takes nothing. */
export function read(
  hub: EventHub,
  run_id: string,
  { after, head, asleep = () => false }: { after: number; head: number; asleep?: () => boolean },
): Reader {
  const items: StreamItem[] = [];
  const seqs = () => items.flatMap((item) => (item.kind === 'event' ? [item.event.seq] : []));
  let end: (error?: Error) => void;
  const over = new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())));
  const following = hub.follow(
    run_id,
    { after, head },
    {
      wants: () => !asleep(),
      haveRead: () => undefined,
      take: (batch) => {
        items.push(...batch.items);
        return batch.last.seq;
      },
      over: () => end(),
      lost: (error) => end(error),
    },
  );
  following.next();
  return {
    items,
    seqs,
    over,
    next: () => following.next(),
    stop: () => {
      following.stop();
      end();
    },
    until: (seq) =>
      eventually(() => (seqs().at(-1) ?? 0) >= seq, { what: `event ${seq}` }).then(() => undefined),
  };
}

/** Runs `work` while appends announce nothing: as if every NOTIFY of this database were lost. */
export async function withoutNotices<T>({ owner: db }: TestDatabase, work: () => Promise<T>): Promise<T> {
  const [row] = await db.query<{ def: string }>(
    `select pg_get_functiondef('record(text, integer, jsonb, jsonb)'::regprocedure) as def`,
  );
  const deaf = row!.def.replace(/perform pg_notify\([^)]*\);/, '');
  if (deaf === row!.def) throw new Error('record() has no pg_notify to be taken out.');
  await db.query(deaf);
  try {
    return await work();
  } finally {
    await db.query(row!.def);
  }
}
