import type { FailureCode } from '../contracts/failure';
import type { Degraded } from '../contracts/model';
import { Refusal } from '../contracts/refusal';

/** What a model that cannot be asked, or gives nothing that can be used, fails with for good. Budgets are not among them: they are the client's word. */
const STOOD_IN_FOR: ReadonlySet<FailureCode> = new Set([
  'provider_unavailable',
  'model_key_refused',
  'model_unknown',
  'model_request_refused',
  'model_declined',
  'context_too_long',
  'reply_truncated',
  'reply_unreadable',
]);

/** Says that something stands in for a model, and why. @throws what was thrown, unless it is a model's failure. */
export function standInFor(part: Degraded['part'], thrown: unknown): Degraded {
  if (!(thrown instanceof Refusal && STOOD_IN_FOR.has(thrown.code))) throw thrown;
  return { part, code: thrown.code, message: thrown.message };
}
