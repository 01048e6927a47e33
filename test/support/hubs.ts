import { EventHub, type HubDeps } from '../../src/events/hub';
import type { StreamItem } from '../../src/events/topic';
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
  stop(): void;
  /** Resolves when its stream is over. */
  over: Promise<void>;
}

/** Reads a run until its stream is over or the reader is stopped. `pause` is awaited after each batch. */
export function read(
  hub: EventHub,
  run_id: string,
  { after, head, pause }: { after: number; head: number; pause?: () => Promise<void> },
): Reader {
  const items: StreamItem[] = [];
  const stopped = new AbortController();
  const seqs = () => items.flatMap((item) => (item.kind === 'event' ? [item.event.seq] : []));
  const over = (async () => {
    for await (const batch of hub.follow(run_id, { after, head }, stopped.signal)) {
      items.push(...batch);
      await pause?.();
    }
  })();
  return {
    items,
    seqs,
    over,
    stop: () => stopped.abort(),
    until: (seq) =>
      eventually(() => (seqs().at(-1) ?? 0) >= seq, { within_ms: 15_000, what: `event ${seq}` }).then(
        () => undefined,
      ),
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
