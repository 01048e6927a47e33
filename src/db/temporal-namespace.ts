import type { Tx } from './tx';

/**
 * Remembers the namespace of Temporal that carries the runs out, unless one is remembered already: the first comer's.
 * @param id what Temporal calls it: a store that was made anew has another one under the same name
 * @returns the one that is remembered
 */
export async function rememberNamespace(db: Tx, id: string): Promise<string> {
  const [row] = await db.query<{ id: string }>(
    // A write each time it is asked would be one for nothing, so it is looked up first.
    `with known as (select id from temporal_namespace),
       first as (insert into temporal_namespace (id) select $1 where not exists (select from known) on conflict do nothing returning id)
     select id from known union all select id from first`,
    [id],
  );
  return row === undefined ? rememberNamespace(db, id) : row.id; // another one came first, and is there now
}

/** Remembers this namespace from now on. @returns the one that was remembered until now; null where none was */
export async function adoptNamespace(db: Tx, id: string): Promise<string | null> {
  const [row] = await db.query<{ before: string | null }>(
    `with before as (select id from temporal_namespace)
     insert into temporal_namespace (id) values ($1) on conflict (singleton) do update set id = excluded.id
     returning (select id from before) as before`,
    [id],
  );
  return row!.before;
}

/** Forgets which one it was: the next that is heard of is remembered. */
export async function forgetNamespace(db: Tx): Promise<void> {
  await db.query('delete from temporal_namespace');
}
