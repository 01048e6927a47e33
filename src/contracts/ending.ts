import type { Failure } from './failure';

/** How a run ended short of an answer. Who wished it cancelled, and why, is in the wish. */
export type Ending =
  | { status: 'failed'; failure: Failure }
  | { status: 'timed_out'; limit: { kind: 'max_duration_s'; value: number } }
  | { status: 'cancelled'; by: 'wish' | 'temporal' };
