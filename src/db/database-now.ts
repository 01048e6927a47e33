/**
 * In place of a time in the row of a run: Postgres reads it as the moment at which the transaction began, so that its times are of one clock,
 * whatever those of the processes say.
 */
export const DATABASE_NOW = 'now';
