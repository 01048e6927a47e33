/** How the ledger's server treats a hit whose key it knows: `keyed` makes no second effect of it, `naive` never looks at keys. */
export const SERVERS = ['keyed', 'naive'] as const;
export type Server = (typeof SERVERS)[number];

/**
 * What becomes of the answer to the first hits of a step; later ones are answered at once.
 *
 *   prompt    answers
 *   held      applies, and answers once it is told to (`POST /release`)
 *   slow_ack  applies, then says nothing
 *   ack_lost  applies, then resets the connection
 *   flaky     applies nothing and answers 503
 */
export const ACKNOWLEDGEMENTS = ['prompt', 'held', 'slow_ack', 'ack_lost', 'flaky'] as const;
export type Acknowledgement = (typeof ACKNOWLEDGEMENTS)[number];

/** Who hits the ledger, and how many of its hits get no plain answer; one when absent. */
export interface Caller {
  run_id: string;
  step_id: string;
  attempt: number;
  times?: number;
}

/** A line of the ledger's file: one request that came in, in the order of arrival. */
export interface Hit extends Omit<Caller, 'times'> {
  server: Server;
  acknowledgement: Acknowledgement;
  /** Of the header `Idempotency-Key`. */
  key: string | null;
  /** Whether it was an effect. */
  applied: boolean;
}

/** What came of requests: those that came in, and those that were an effect. */
export interface Totals {
  hits: number;
  effects: number;
}

export function totalsOf(hits: readonly Hit[]): Totals {
  return { hits: hits.length, effects: hits.filter(({ applied }) => applied).length };
}

export function parseHits(lines: string): Hit[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Hit);
}
