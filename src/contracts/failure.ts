import { MODEL_FAILURES } from './failures/models';
import { REQUEST_FAILURES } from './failures/requests';
import { RUN_FAILURES } from './failures/runs';
import { STEP_FAILURES } from './failures/steps';

/**
 * The one table of failures. A failure crosses a boundary (an activity, a request, an event) and is known by its code; the
 * adapter that meets the outside picks the code, once. Plain constants only: the workflow bundle imports this file.
 */
export const FAILURES = { ...REQUEST_FAILURES, ...MODEL_FAILURES, ...STEP_FAILURES, ...RUN_FAILURES };

export type FailureCode = keyof typeof FAILURES;

/** A failure as it is stored, sent and shown. `message` is one sentence for people; `step_id` names the step it arose in. */
export interface Failure {
  code: FailureCode;
  message: string;
  step_id?: string;
  /** The failure behind this one, where it wraps another. */
  cause?: { code: FailureCode; message: string };
}

/** Whether a later try of the same thing may succeed. */
export function isRetryable(code: FailureCode): boolean {
  return FAILURES[code].kind === 'retryable';
}

/** Whether a value names a failure. */
export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(FAILURES, value);
}
