/** A row of the table of failures. */
export interface FailureEntry {
  /** `terminal`: the same try fails again. `retryable`: a later try may succeed. */
  kind: 'terminal' | 'retryable';
  /** HTTP status where the failure is the reply to a request; absent where it only ends a step or a run. */
  status?: number;
  title: string;
  /** What the reader can do about it. */
  hint: string;
}
