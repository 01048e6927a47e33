import type { Failure } from './failure';

/** A limit of time that ended a run: of all it may take, or of its wait for one answer of a person. */
export interface TimeLimit {
  kind: 'max_duration_s' | 'max_wait_s';
  value: number;
}

/** How a run ended short of an answer. Who wished it cancelled, and why, is in the wish; an operator's reason, where Temporal has it, here. */
export type Ending =
  | { status: 'failed'; failure: Failure }
  | { status: 'timed_out'; limit: TimeLimit }
  | { status: 'cancelled'; by: 'wish' }
  | { status: 'cancelled'; by: 'temporal'; reason?: string };
