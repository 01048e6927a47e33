import { Refusal } from '../contracts/refusal';

/** Where a reader wants to go on: after this number, or after whatever is the last one now. */
export type Cursor = number | 'last';

/** What a run's row says about its events. */
export interface Kept {
  first_seq: number;
  last_seq: number;
}

/**
 * The number to read after.
 * @throws Refusal `cursor_ahead` beyond the head, `events_expired` below what retention kept.
 */
export function positionOf(cursor: Cursor, { first_seq, last_seq }: Kept): number {
  if (cursor === 'last') return last_seq;
  if (cursor > last_seq) {
    throw new Refusal(
      'cursor_ahead',
      `The run has ${last_seq} events; nothing comes after ${cursor} yet.`,
      [],
      {
        last_seq,
      },
    );
  }
  if (cursor < first_seq - 1) {
    throw new Refusal('events_expired', `Events before ${first_seq} are no longer kept.`, [], {
      first_available_seq: first_seq,
    });
  }
  return cursor;
}
