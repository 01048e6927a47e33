/** What the workflow learns of a step that ended. Outputs and failures stay in Postgres. */
export interface StepResult {
  step_id: string;
  status: 'completed' | 'failed' | 'skipped';
  /** Steps that this ending caused to be skipped, in the same transaction. */
  skipped: string[];
  /** Whether somebody wants the run to stop: a chain of instant work notices by this. */
  wish: WishKind | null;
}

/** What the workflow learns of a step that waits for a person's answer: whether its effect happened. */
export interface WaitingStep {
  step_id: string;
  status: 'waiting';
  wish: WishKind | null;
}

/** What the workflow learns of steps that were carried out together. */
export interface StepResults {
  /** In the order in which they ended. */
  ended: StepResult[];
  /** The step whose try failed and that is tried again after a pause; the others do not wait for it. */
  again: { step_id: string; pause_ms: number } | null;
  /** Whether nothing was left to do and the answer is written too. */
  answered: boolean;
}

/** What somebody outside wants of a run as a whole. */
export type WishKind = 'cancel';

/** What the workflow learns when it asks what is wished. */
export interface Wishes {
  wish: WishKind | null;
  /** Steps that wait for a person's answer. */
  waiting: string[];
  /** When the run is to be over, milliseconds since 1970: later than it was started with where a Reset gave it time anew. */
  deadline_at_ms: number;
}
