import type { Tx } from './tx';

/**
 * In place of a time in the row of a run: Postgres reads it as the moment at which the transaction began, so that its times are of one clock,
 * whatever those of the processes say.
 */
export const DATABASE_NOW = 'now';

/** What the clock of the database says. */
export async function databaseTime(db: Tx): Promise<Date> {
  const [row] = await db.query<{ now: Date }>('select clock_timestamp() as now');
  return row!.now;
}
