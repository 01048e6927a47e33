import type { CommittedFacts } from '../contracts/fact';

/** A transaction, or a connection outside one: something that takes one statement at a time. */
export interface Tx {
  /** Runs one statement with `$1 …` placeholders and returns its rows. */
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Facts that were appended here: who watches the database hears of them once they are committed. Absent where nobody watches. */
  announce?(facts: CommittedFacts): void;
}
