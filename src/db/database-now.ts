import type { Tx } from './tx';

/**
 * In place of a time in the row of a run: Postgres reads it as the moment at which the transaction began, so that its times are of one clock,
 * whatever those of the processes say.
 */
export const DATABASE_NOW = 'now';

/** Whether a time is over by the clock of Postgres, which ends what is to end then. */
export async function isOver(db: Tx, time: Date): Promise<boolean> {
  const [row] = await db.query<{ over: boolean }>('select $1::timestamptz <= now() as over', [time]);
  return row!.over;
}
