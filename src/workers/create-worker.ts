import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import type { Activities } from '../activities';
import type { LogContext } from '../telemetry/context';
import { queueOf, type Role } from '../workflows/messages';
import { inLogContext } from './activity-context';

/** Runs a worker keeps in memory; well above those it has in flight. A small number stalls local activities. */
const CACHED_WORKFLOWS = 1_000;
/** Slow tool calls of one process at once. */
const TOOL_CALLS = 50;
/** Model calls of one process at once: they wait for others most of the time. */
const MODEL_CALLS = 200;
/** What a run of a killed worker waits before another worker may have its next task. */
const STICKY_TIMEOUT = '1 s';
/** How often heartbeats are passed on, at most: a cancellation travels on their answers. */
const HEARTBEAT_THROTTLE = '500 ms';
/** Between the polite end of activities and the end of waiting for them, seconds. */
const FORCE_AFTER_GRACE_S = 25;

export interface WorkerDeps {
  connection: NativeConnection;
  namespace: string;
  /** Prefix of the task queues. */
  queue: string;
  activities: Activities;
  /** Path of the prebuilt workflow bundle. */
  bundle: string;
  context: LogContext;
  /** Seconds that activities under way get when the worker stops. */
  grace_s: number;
}

/** The worker of one role: `runs` takes workflows and instant work, `llm` what asks models, `tools` slow tool calls. It polls once it is run. */
export function createWorker(role: Role, deps: WorkerDeps): Promise<Worker> {
  const { connection, namespace, queue, activities, bundle, context, grace_s } = deps;
  const options: WorkerOptions = {
    connection,
    namespace,
    taskQueue: queueOf(queue, role),
    interceptors: { activity: [inLogContext(context)] },
    shutdownGraceTime: `${grace_s} s`,
    shutdownForceTime: `${grace_s + FORCE_AFTER_GRACE_S} s`,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
  };
  if (role === 'llm') {
    const { draftPlanWithModel, judgePlanWithModel, writeAnswerWithModel } = activities;
    return Worker.create({
      ...options,
      activities: { draftPlanWithModel, judgePlanWithModel, writeAnswerWithModel },
      maxConcurrentActivityTaskExecutions: MODEL_CALLS,
      activityTaskPollerBehavior: { type: 'autoscaling' },
    });
  }
  if (role === 'tools') {
    return Worker.create({
      ...options,
      activities: { useTool: activities.useTool },
      maxConcurrentActivityTaskExecutions: TOOL_CALLS,
      activityTaskPollerBehavior: { type: 'autoscaling' },
    });
  }
  return Worker.create({
    ...options,
    activities,
    workflowBundle: { codePath: bundle },
    maxCachedWorkflows: CACHED_WORKFLOWS,
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
  });
}
