import { ActivityFailure, ApplicationFailure, CancelledFailure, isCancellation } from '@temporalio/workflow';
import type { Ending } from '../contracts/ending';
import { FAILURES, isFailureCode, type Failure } from '../contracts/failure';
import type { RunStatus } from '../contracts/run-status';

/** Thrown where the story cannot go on; says how the run ends. An ending is no error of the workflow, so it is no `Error`. */
export class Ended {
  constructor(readonly ending: Ending) {}
}

/** The run ends as failed with this code. */
export function failedWith(failure: Failure): Ended {
  return new Ended({ status: 'failed', failure });
}

/**
 * How a run ends that was left by what was thrown. An activity that failed for good always ends it, also with a code that this bundle
 * does not know. Anything else is a bug and thrown again, so that the workflow task fails, an operator is told, and a mended deploy
 * goes on.
 */
export function endingOf(thrown: unknown): Ending {
  if (thrown instanceof Ended) return thrown.ending;
  if (isCancellation(thrown)) return { status: 'cancelled', by: 'temporal' };
  const cause = thrown instanceof ActivityFailure ? thrown.cause : thrown;
  if (cause instanceof ApplicationFailure && isFailureCode(cause.type)) {
    return { status: 'failed', failure: { code: cause.type, message: cause.message } };
  }
  if (thrown instanceof ActivityFailure) {
    return {
      status: 'failed',
      failure: { code: 'internal', message: cause instanceof Error ? cause.message : thrown.message },
    };
  }
  throw thrown;
}

/**
 * How the workflow closes for the Temporal UI; null where it completes. A run that was cancelled by a wish did what it was asked, so its
 * workflow completes, with the search attribute `RunStatus` = `cancelled`: Temporal closes one as Canceled only on a request of its own.
 */
export function closingOf(status: RunStatus, ending: Ending): Error | null {
  if (ending.status === 'cancelled' && ending.by === 'temporal')
    return new CancelledFailure('The run was cancelled.');
  if (status === 'completed' || status === 'cancelled') return null;
  if (ending.status === 'failed') {
    const { code, message } = ending.failure;
    return ApplicationFailure.nonRetryable(message, code, ending.failure);
  }
  return ApplicationFailure.nonRetryable(`The run ended as ${status}.`, status);
}

/** The failure of a run whose step failed. */
export function stepFailed(step_id: string): Failure {
  return { code: 'step_failed', message: `${FAILURES.step_failed.title}: ${step_id}.`, step_id };
}
