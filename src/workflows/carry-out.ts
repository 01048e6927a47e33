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
 * @throws Ended `step_failed`, or what was wished
 */
export async function carryOut(
  { run_id, rules }: RunInput,
  outline: Outline,
  { heed }: Interruptions,
): Promise<void> {
  const scope = CancellationScope.current();
  const steps = new Map(outline.steps.map((step) => [step.id, step]));
  const ended = new Map<string, StepResult['status']>();
  const running = new Map<string, Promise<StepResult>>();
  const progress = () => ({ ended, running: new Set(running.keys()) });

  function take(id: string, result: StepResult): void {
    if (result.step_id !== id) throw new Error(`Asked for ${id}, got the result of ${result.step_id}.`);
    running.delete(id);
    ended.set(id, result.status);
    for (const skipped of result.skipped) ended.set(skipped, 'skipped');
    heed(result);
    const stops = result.status === 'failed' && steps.get(id)!.on_failure === 'stop';
    if (stops) throw failedWith(stepFailed(id));
  }

  // Callbacks and not a loop around a race: the SDK keeps a stack trace for every promise of a workflow, and a race makes one
  // for each step in flight each time one of them ends.
  function flow(done: (nothing: void) => void, fail: (error: unknown) => void): void {
    const goOn = () => {
      if (scope.consideredCancelled) return;
      for (const id of startable(outline, progress(), rules.max_parallel_steps)) {
        const step = useTool(run_id, outline.plan_version, steps.get(id)!);
        running.set(id, step);
        step.then((result) => attempt(() => take(id, result)), stop);
      }
      if (isDone(outline, progress())) done();
      else if (isStuck(outline, progress())) throw new Error('No step may start and the plan is not done.');
    };
    const attempt = (act: () => void) => {
      try {
        act();
        goOn();
      } catch (error) {
        stop(error);
      }
    };
    const stop = (error: unknown) => {
      fail(error);
      scope.cancel(); // nothing starts any more, and what runs is told to stop
    };
    // A step that ignores its cancellation must not hold the story: the request itself ends the wait.
    scope.cancelRequested.catch(fail);
    attempt(() => undefined);
  }

  try {
    await new Promise(flow);
  } finally {
    if (running.size > 0) {
      await shielded(() => Promise.race([Promise.allSettled(running.values()), sleep(GRACE)]));
    }
  }
}
