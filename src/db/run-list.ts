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

  const values: unknown[] = [tenant];
  const given = (value: unknown) => `$${values.push(value)}`;
  const where = ['r.tenant = $1', ...conditionsOf(filter, given)];
  if (from !== null) {
    where.push(
      `(r.created_at, r.id) ${descending ? '<' : '>'} (${given(from.created_at)}::timestamptz, ${given(from.id)})`,
    );
  }
  const way = descending ? 'desc' : 'asc';
  // The page is chosen before anything is counted for it.
  const rows = await db.query<RunRow>(
    `select ${RUN_COLUMNS} from (
       select * from runs r where ${where.join(' and ')} order by r.created_at ${way}, r.id ${way} limit ${given(limit + 1)}
     ) r ${RUN_PROGRESS} order by r.created_at ${way}, r.id ${way}`,
    values,
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

function conditionsOf(filter: RunFilter, given: (value: unknown) => string): string[] {
  const { status, tag, words, created_after, created_before, superseded } = filter;
  const conditions: (string | false)[] = [
    // One status is said as equality, so that its index gives the order too.
    status !== null &&
      (status.length === 1 ? `r.status = ${given(status[0])}` : `r.status = any(${given(status)})`),
    tag !== null && `r.tags @> ${given([tag])}::text[]`,
    words !== null && `to_tsvector('simple', r.goal) @@ websearch_to_tsquery('simple', ${given(words)})`,
    created_after !== null && `r.created_at > ${given(created_after)}::timestamptz`,
    created_before !== null && `r.created_at < ${given(created_before)}::timestamptz`,
    superseded !== null && `r.superseded_by is ${superseded ? 'not null' : 'null'}`,
  ];
  return conditions.filter((condition) => condition !== false);
}
