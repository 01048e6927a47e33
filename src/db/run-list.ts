import type { Origin } from '../contracts/origin';
import type { RunStatus } from '../contracts/run-status';
import { RUN_COLUMNS, RUN_PROGRESS, type RunRow } from './runs';
import type { Tx } from './tx';

/** Which runs of a tenant are listed; each member narrows the list, null where it does not. */
export interface RunFilter {
  status: RunStatus[] | null;
  tag: string | null;
  /** Words, all of which the goal has; `"a phrase"`, `or` and `-not` as web searches know them. */
  words: string | null;
  /** UTC, with microseconds. */
  created_after: string | null;
  created_before: string | null;
  /** Whether a restart has replaced them. */
  superseded: boolean | null;
  /** How they came about. */
  origin: Origin['type'] | null;
  /** First run of their lineage. */
  root: string | null;
}

/** Where a page begins: after, or before, a run that the tenant has. */
export interface RunCursor {
  side: 'after' | 'before';
  id: string;
}

export interface RunPage {
  filter: RunFilter;
  order: 'newest' | 'oldest';
  cursor: RunCursor | null;
  limit: number;
}

/**
 * A page of a tenant's runs by time of creation. Keyset: the cost of a page does not grow with how far in it lies.
 * @returns null when the tenant has no run of the cursor's id.
 */
export async function listRuns(
  db: Tx,
  tenant: string,
  page: RunPage,
): Promise<{ runs: RunRow[]; has_more: boolean } | null> {
  const { filter, order, cursor, limit } = page;
  // Backwards from a cursor is forwards in the other order, turned round at the end.
  const back = cursor?.side === 'before';
  const descending = (order === 'newest') !== back;
  const from = cursor === null ? null : await positionOf(db, tenant, cursor.id);
  if (from === undefined) return null;

  const { status, tag, words, created_after, created_before, superseded, origin, root } = filter;
  const way = descending ? 'desc' : 'asc';
  // Which runs they are is decided before anything is counted for them.
  const rows = await db.query<RunRow>(
    `select ${RUN_COLUMNS} from list_runs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) l
     join runs r on r.id = l.id and r.tenant = $1 ${RUN_PROGRESS} order by l.created_at ${way}, l.id ${way}`,
    [
      tenant,
      status,
      tag,
      words,
      created_after,
      created_before,
      superseded,
      origin,
      root,
      descending,
      from?.created_at ?? null,
      from?.id ?? null,
      limit + 1,
    ],
  );
  const runs = rows.slice(0, limit);
  return { runs: back ? runs.reverse() : runs, has_more: rows.length > limit };
}

/** Microseconds as text: a Date would lose them, and with them the place in the order. */
async function positionOf(
  db: Tx,
  tenant: string,
  id: string,
): Promise<{ id: string; created_at: string } | undefined> {
  const [row] = await db.query<{ id: string; created_at: string }>(
    'select id, created_at::text from runs where id = $2 and tenant = $1',
    [tenant, id],
  );
  return row;
}
