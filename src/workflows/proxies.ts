import {
  ActivityCancellationType,
  proxyActivities,
  proxyLocalActivities,
  workflowInfo,
  type RetryPolicy,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import type { OutlineStep } from '../contracts/outline';
import { prefixOf, queueOf } from './messages';
import { isInstant } from './schedule';
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

/** Instant work: local activities on the worker of the workflow. They store their own outcome, so a lost workflow task costs a look-up. */
export const { draftPlan, judgePlan, carryOutInstantly, writeAnswer, handInPlan } = local;
/** Asked and told whatever happens to the workflow meanwhile. */
export const readWishes: Activities['readWishes'] = (ref) => shielded(() => local.readWishes(ref));
export const endRun: Activities['endRun'] = (ref) => shielded(() => local.endRun(ref));

/**
 * Work that asks a model, on the workers of the role `llm`. A call's own limits fire first, and `MAX_REQUESTS` counted in Postgres ends its
 * tries; how long a lost worker is waited for is what the heartbeat says.
 */
const ASKING_LIMIT = '1 h';

/** @param id what the Temporal UI shows: `plan@1` */
function asking(id: string) {
  return proxyActivities<Activities>({
    activityId: id,
    summary: id,
    taskQueue: queueOf(prefixOf(workflowInfo().taskQueue), 'llm'),
    startToCloseTimeout: ASKING_LIMIT,
    heartbeatTimeout: '3 s',
    retry: FOR_EVER,
    // Nothing that is written after a cancellation counts, so nobody waits for the model to hear of it.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });
}
export const draftPlanWithModel: Activities['draftPlanWithModel'] = (ref) =>
  asking(`plan@${ref.round}`).draftPlanWithModel(ref);
export const judgePlanWithModel: Activities['judgePlanWithModel'] = (ref) =>
  asking(`judge@${ref.round}`).judgePlanWithModel(ref);
export const writeAnswerWithModel: Activities['writeAnswerWithModel'] = (ref) =>
  asking(`answer@${ref.plan_version}`).writeAnswerWithModel(ref);

/** A tool's own limit fires first; this one is for a tool call that hangs beyond it, seconds. */
const BEYOND_TOOL_LIMIT_S = 10;

/** Carries one step out on its lane; an instant one alone is one that is tried again. A local activity has no id of its own, so its result says which step it is of. */
export function useTool(
  run_id: string,
  plan_version: number,
  step: OutlineStep,
  lost: string[],
): ReturnType<Activities['useTool']> {
  const ref = { run_id, plan_version, step_id: step.id, ...(lost.length > 0 && { lost }) };
  return isInstant(step) ? local.useTool(ref) : slow(plan_version, step).useTool(ref);
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
