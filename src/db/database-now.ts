/**
 * In place of a time that is stored: Postgres reads it as the moment at which the transaction began. What is stored is of one clock, whatever
 * those of the processes say.
 */
export const DATABASE_NOW = 'now';
