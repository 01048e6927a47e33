import { CancellationScope, sleep } from '@temporalio/workflow';
import type { Outline } from '../contracts/outline';
import type { StepResult } from '../contracts/step-result';
import { failedWith, stepFailed } from './failures';
import type { Interruptions } from './interruptions';
import type { RunInput } from './messages';
import { useTool } from './proxies';
import { isDone, isStuck, startable } from './schedule';
import { shielded } from './shielded';

/** How long steps that were told to stop are waited for. What they store within it is told truthfully; later writes are refused. */
const GRACE = '1 s';

/**
 * Carries a plan out: every step starts as soon as its own inputs are there. Ends when all have ended, or when one that the plan
 * cannot do without has failed; then the others are told to stop.
 * @throws Ended `step_failed`
 */
export async function carryOut(
  { run_id, rules }: RunInput,
  outline: Outline,
  { heed }: Interruptions,
): Promise<void> {
  const steps = new Map(outline.steps.map((step) => [step.id, step]));
  const ended = new Map<string, StepResult['status']>();
  const running = new Map<string, Promise<StepResult>>();
  const scope = new CancellationScope();
  const progress = () => ({ ended, running: new Set(running.keys()) });
  try {
    while (!isDone(outline, progress())) {
      for (const id of startable(outline, progress(), rules.max_parallel_steps)) {
        running.set(
          id,
          scope.run(() => useTool(run_id, outline.plan_version, steps.get(id)!)),
        );
      }
      if (isStuck(outline, progress())) throw new Error('No step may start and the plan is not done.');
      // A step that ignores its cancellation must not hold the story: the request itself ends the wait.
      const result = await Promise.race([...running.values(), scope.cancelRequested]);
      running.delete(result.step_id);
      ended.set(result.step_id, result.status);
      for (const id of result.skipped) ended.set(id, 'skipped');
      heed(result);
      const stops = result.status === 'failed' && steps.get(result.step_id)!.on_failure === 'stop';
      if (stops) throw failedWith(stepFailed(result.step_id));
    }
  } finally {
    if (running.size > 0) {
      scope.cancel();
      await shielded(() => Promise.race([Promise.allSettled(running.values()), sleep(GRACE)]));
    }
  }
}
