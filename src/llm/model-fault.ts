import type { FailureCode } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';

/**
 * Whose fault a failed call is. `endpoint`: another one may answer. `question`: it was answered, with a no that others would give too.
 * `neither`: it says nothing of the endpoint; the caller stopped it, or something of ours broke.
 */
export type Fault = 'endpoint' | 'question' | 'neither';

const FAULTS: Partial<Record<FailureCode, Fault>> = {
  model_rate_limited: 'endpoint',
  model_overloaded: 'endpoint',
  model_timeout: 'endpoint',
  model_unreachable: 'endpoint',
  model_key_refused: 'endpoint',
  model_unknown: 'endpoint',
  context_too_long: 'question',
  model_declined: 'question',
  reply_truncated: 'question',
  model_request_refused: 'question',
};

/** @param error what the call to an endpoint threw */
export function faultOf(error: unknown): Fault {
  return (error instanceof Refusal ? FAULTS[error.code] : undefined) ?? 'neither';
}
