import type { Failure } from './failure';

/** A step that ended, as the writer of the answer sees it. */
export interface EndedStep {
  id: string;
  title: string | null;
  tool: string;
  /** As filled in; null where the step never started. */
  input: Record<string, unknown> | null;
  status: 'completed' | 'failed' | 'skipped';
  output: unknown;
  failure: Failure | null;
}
