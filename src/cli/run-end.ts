import { FAILURES, isFailureCode, isRetryable } from '../contracts/failure';
import type { Run } from '../contracts/run';
import { CommandEnd, EXIT } from './exit';
import { plain } from './plain';

/** The answer of a run that completed, ready to be printed; null for one that only planned. @throws CommandEnd for any other. */
export function answerOf(run: Run): string | null {
  const { id, status, error, status_reason } = run;
  switch (status) {
    case 'completed':
      return run.answer === null ? null : plain(run.answer);
    case 'failed':
    case 'timed_out':
    case 'cancelled': {
      const code = status === 'cancelled' ? EXIT.run_cancelled : EXIT.run_failed;
      const why = error === null ? [] : failureLines(error);
      const said =
        status === 'timed_out' ? 'ran out of time' : status === 'failed' ? 'failed' : 'was cancelled';
      const reason = error === null && status_reason !== null ? `: ${plain(status_reason)}` : '';
      const next = `\`longhaul runs restart ${id}\` runs what did not complete.`;
      throw new CommandEnd(code, [`${id} ${said}${reason}`, ...why, next].join('\n'));
    }
    default:
      throw new CommandEnd(
        EXIT.goes_on,
        `${id} has not ended: it is ${status}. \`longhaul runs watch ${id}\` follows it.`,
      );
  }
}

/** A failure and what may be done about it, one sentence a line; of the failure behind it, where it wraps another. */
export function failureLines({ code, message, step_id, cause }: NonNullable<Run['error']>): string[] {
  const where = step_id === undefined ? '' : ` (${step_id})`;
  // A step's failure mostly quotes the one of its tool.
  const behind =
    cause === undefined || message.includes(cause.message) ? [] : [`${cause.code}: ${cause.message}`];
  return [`${code}${where}: ${message}`, ...behind, ...hintsFor(cause?.code ?? code)].map(plain);
}

/** Hints for what is tried again say nothing to who sees that it was in vain. A newer API may know codes that are unknown here. */
function hintsFor(code: string): string[] {
  return isFailureCode(code) && !isRetryable(code) ? [FAILURES[code].hint] : [];
}
