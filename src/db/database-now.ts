import type { Tx } from './tx';

/**
 * In place of a time that is stored: Postgres reads it as the moment at which the transaction began. What is stored is of one clock, whatever
 * those of the processes say.
 */
export const DATABASE_NOW = 'now';

/** What the clock of the database says. */
export async function databaseTime(db: Tx): Promise<Date> {
  const [row] = await db.query<{ now: Date }>('select clock_timestamp() as now');
  return row!.now;
}
