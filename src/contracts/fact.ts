import type { EventData, EventType } from './event';

/** An event before it has a number. */
export type Fact = { [T in EventType]: { type: T; step_id?: string; data: EventData[T] } }[EventType];

/** Facts of one run that are committed, for those who watch: the log and the metrics. */
export interface CommittedFacts {
  run_id: string;
  facts: readonly Fact[];
}
