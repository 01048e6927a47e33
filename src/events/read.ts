import { TERMINAL_EVENTS, type EventType } from '../contracts/event';
import type { Tx } from '../db/tx';

/** A stored event as every wire carries it: serialized once, so that REST, SSE and WebSocket give the same bytes. */
export interface StoredEvent {
  id: string;
  run_id: string;
  seq: number;
  type: string;
  /** When it was written by the clock of Postgres, milliseconds since 1970. */
  time_ms: number;
  /** The envelope as JSON text. */
  json: string;
  /** Whether it ends an attempt of the run. */
  terminal: boolean;
  /** Whether the read that found it stopped here and left later ones out. */
  more: boolean;
}

interface EventRow {
  run_id: string;
  seq: string;
  id: string;
  type: string;
  attempt: number;
  step_id: string | null;
  time: Date;
  v: number;
  data: unknown;
  left_out: boolean;
}

/** Events that one read returns at most. */
export const PAGE = 500;
/** Bytes of data after which a page of one run ends: large outputs must not fill the memory of a process with many readers. */
const PAGE_BYTES = 1_000_000;

/** For each run the events after the number it is known up to, in order, at most `limit` and about a megabyte of each. One statement for all. */
export async function readAfter(
  tx: Tx,
  cursors: { run_id: string; after: number }[],
  limit: number = PAGE,
): Promise<StoredEvent[]> {
  const rows = await tx.query<EventRow>(
    `select e.run_id, e.seq, e.id, e.type, e.attempt, e.step_id, e.time, e.v, e.data, e.left_out
     from unnest($1::text[], $2::bigint[]) as c (run_id, after)
     cross join lateral (
       select page.*, sum(size) over w - size as before,
         row_number() over w = $3 or (sum(size) over w >= $4 and lead(seq) over w is not null) as left_out
       from (
         select *, octet_length(data::text) as size from events
         where events.run_id = c.run_id and events.seq > c.after order by events.seq limit $3
       ) page
       window w as (order by seq)
     ) e
     where e.before < $4
     order by e.run_id, e.seq`,
    [cursors.map(({ run_id }) => run_id), cursors.map(({ after }) => after), limit, PAGE_BYTES],
  );
  return rows.map(stored);
}

function stored(row: EventRow): StoredEvent {
  const seq = Number(row.seq);
  const envelope = {
    id: row.id,
    seq,
    type: row.type,
    run_id: row.run_id,
    attempt: row.attempt,
    time: row.time.toISOString(),
    v: row.v,
    ...(row.step_id === null ? {} : { step_id: row.step_id }),
    data: row.data,
  };
  return {
    id: row.id,
    run_id: row.run_id,
    seq,
    type: row.type,
    time_ms: row.time.getTime(),
    json: JSON.stringify(envelope),
    terminal: (TERMINAL_EVENTS as readonly string[]).includes(row.type),
    more: row.left_out,
  };
}

/** Type of the newest fact among these types that an attempt of a run has told; undefined when there is none. */
export async function newestOf<T extends EventType>(
  db: Tx,
  run_id: string,
  attempt: number,
  types: readonly T[],
): Promise<T | undefined> {
  const [newest] = await db.query<{ type: T }>(
    'select type from events where run_id = $1 and attempt = $2 and type = any($3) order by seq desc limit 1',
    [run_id, attempt, types],
  );
  return newest?.type;
}
