import type { CommittedFacts } from '../contracts/fact';

/** A transaction, or the pool outside of one. A transaction runs its statements in the order in which they were asked for; outside there is none. */
export interface Tx {
  /** Runs one statement with `$1 …` placeholders and returns its rows. */
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Facts that were appended here: who watches the database hears of them once they are committed. Absent where nobody watches. */
  announce?(facts: CommittedFacts): void;
}

/** A transaction. One that knows its last statement sends it by `last`. */
export interface Transaction extends Tx {
  /** For the last statement, which is sent together with the commit: what is thrown after it rolls nothing back. */
  readonly last: Tx;
}
