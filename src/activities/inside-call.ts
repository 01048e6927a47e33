import { isRetryable } from '../contracts/failure';
import { Interrupted } from '../contracts/interrupted';
import type { StepResult } from '../contracts/step-result';
import { claimEffect, noteDone } from '../db/effects';
import { lockStep } from '../db/steps';
import { storable } from '../db/storable';
import { isDatabaseError } from '../db/unavailable';
import type { TransactionalTool } from '../tools/tool';
import type { ActivityDeps } from './deps';
import { contextOf, FailedTry, NewerStart, type Call } from './step-call';
import { complete, isOpen, type Start } from './step-outcome';
import { failureOf } from './thrown';

/**
 * Calls a transactional tool inside the transaction that stores its outcome, under the lock of the step's row: a second worker waits and
 * finds the outcome. Where another run may mean to make the same effect, it is claimed in the same transaction too.
 * @returns null when the step has ended or a newer start has taken over
 * @throws FailedTry; NewerStart; Interrupted
 */
export function callInside(
  deps: ActivityDeps,
  { start, input, cancelled: signal, wanted }: Call,
  tool: TransactionalTool,
): Promise<StepResult | null> {
  return deps.db.transaction(async (tx) => {
    const { status, fence } = await lockStep(tx, start.ref);
    // It ended, was cancelled or is another start's: a call now would have an effect of which no checkpoint tells.
    if (!isOpen(status) || fence !== (start.fence ?? fence)) return null;
    const shared = isShared(start);
    const claim = shared ? await claimEffect(tx, wanted, fence, tool.effect) : null;
    if (claim?.kind === 'done')
      return complete(tx, start, { output: claim.output, duration_ms: 0, reused: true });
    const began = performance.now();
    const output = await tried(start, async () =>
      storable(
        await tool.call(input, contextOf(start, { signal, idempotency_key: wanted.key }), tx),
        start.step.rules.max_output_bytes,
      ),
    );
    if (shared) await noteDone(tx, { ...wanted, fence }, { output });
    deps.crashPoint('after_tool');
    const written = await complete(tx, start, { output, duration_ms: Math.round(performance.now() - began) });
    if (written === null) throw new NewerStart();
    return written;
  });
}

/**
 * Whether another run may mean to make the same effect: restarts of a run in which the step did not complete, and that run itself, once an
 * operator has reset it. All others are spared the look.
 */
function isShared({ ref, step }: Start): boolean {
  return step.effect_scope !== ref.run_id || step.attempt > 1;
}

/** What the tool throws becomes the failure of the try. Only a tool that works on our Postgres may blame it: that is thrown on. */
async function tried<T>({ ref }: Start, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (thrown instanceof Interrupted || isDatabaseError(thrown)) throw thrown;
    const failure = { ...failureOf(thrown), step_id: ref.step_id };
    throw new FailedTry(failure, { final: !isRetryable(failure.code), nothingDone: true });
  }
}
