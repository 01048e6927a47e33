/** What the workflow learns of a step that ended. Outputs and failures stay in Postgres. */
export interface StepResult {
  step_id: string;
  status: 'completed' | 'failed' | 'skipped';
  /** Steps that this ending caused to be skipped, in the same transaction. */
  skipped: string[];
  /** Whether somebody wants the run to stop: a chain of instant work notices by this. */
  wish: WishKind | null;
}

/** What somebody outside wants of a run. */
export type WishKind = 'cancel';
