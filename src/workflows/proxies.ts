import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
  type RetryPolicy,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { OutlineStep } from '../contracts/outline';
import type { StepResult } from '../contracts/step-result';
import { prefixOf, queueOf } from './messages';
import { shielded } from './shielded';

/**
 * All timeouts and retries. Temporal tries for ever in short intervals; what is given up, and when, is counted in Postgres by the
 * activities themselves, and the deadline of the run ends everything. So an absent Postgres uses up no attempt.
 */
const FOR_EVER: RetryPolicy = { initialInterval: '100 ms', backoffCoefficient: 2, maximumInterval: '2 s' };

const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '10 s',
  // Longer pauses become timers of the workflow, so that its task is not held for them.
  localRetryThreshold: '2 s',
  retry: FOR_EVER,
});

/**
 * Instant work: local activities on the worker of the workflow. They store their own outcome, so a lost workflow task costs a look-up.
 * They are never cancelled, only no longer waited for: two may end in one activation, and a cancellation that the first one causes
 * then meets a second one that has ended already, which fails the workflow task, and every repetition of it.
 */
function instant<Input, Output>(act: (input: Input) => Promise<Output>): (input: Input) => Promise<Output> {
  return (input) => shielded(() => act(input));
}

export const draftPlan = instant(local.draftPlan);
export const judgePlan = instant(local.judgePlan);
export const writeAnswer = instant(local.writeAnswer);
export const readWishes = instant(local.readWishes);
export const endRun = instant(local.endRun);
const useInstantTool = instant(local.useTool);

/** A tool's own limit fires first; this one is for a tool call that hangs beyond it, seconds. */
const BEYOND_TOOL_LIMIT_S = 10;

/** Carries one step out on its lane. A local activity has no id of its own, so its result says which step it is of. */
export function useTool(run_id: string, plan_version: number, step: OutlineStep): Promise<StepResult> {
  const ref = { run_id, plan_version, step_id: step.id };
  return step.lane === 'instant' ? useInstantTool(ref) : slow(plan_version, step).useTool(ref);
}

/** Slow tools: ordinary activities on the workers of the role `tools`, with an id that says which step it is. */
function slow(plan_version: number, step: OutlineStep) {
  return proxyActivities<Activities>({
    activityId: `${step.id}@${plan_version}`,
    summary: step.id,
    taskQueue: queueOf(prefixOf(workflowInfo().taskQueue), 'tools'),
    startToCloseTimeout: `${step.timeout_s + BEYOND_TOOL_LIMIT_S} s`,
    heartbeatTimeout: '3 s',
    retry: FOR_EVER,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
}
