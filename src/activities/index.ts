import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Ending } from '../contracts/ending';
import { isRetryable } from '../contracts/failure';
import { Interrupted } from '../contracts/interrupted';
import { Refusal } from '../contracts/refusal';
import type { StepRef } from '../db/steps';
import type { ActivityDeps } from './deps';
import { draftPlan } from './draft-plan';
import { draftPlanWithModel } from './draft-plan-with-model';
import { endRun } from './end-run';
import { handInPlan } from './hand-in-plan';
import { judgePlan } from './judge-plan';
import type { RoundRef } from './round-outcome';
import { readWishes } from './read-wishes';
import { carryOutInstantly, type Chain } from './carry-out-instantly';
import { useTool, type Surroundings } from './use-tool';
import { writeAnswer, type PlanRef } from './write-answer';
import { writeAnswerWithModel } from './write-answer-with-model';

/** Pause between heartbeats, milliseconds. A cancellation travels on their answers. */
const HEARTBEAT_MS = 500;

export type { Chain } from './carry-out-instantly';
export type { ActivityDeps } from './deps';

/** The activities of a worker, by the names under which Temporal knows them. */
export function createActivities(deps: ActivityDeps) {
  return {
    draftPlan: (ref: RoundRef) => outward(() => draftPlan(deps, ref, execution())),
    draftPlanWithModel: (ref: RoundRef) =>
      outward(() => beating(() => draftPlanWithModel(deps, ref, surroundings()))),
    judgePlan: (ref: RoundRef) => outward(() => judgePlan(deps, ref, surroundings().cancelled)),
    judgePlanWithModel: (ref: RoundRef) =>
      outward(() => beating(() => judgePlan(deps, ref, surroundings().cancelled))),
    useTool: (ref: StepRef) => outward(() => beating(() => useTool(deps, ref, surroundings()))),
    carryOutInstantly: (chain: Chain) => outward(() => carryOutInstantly(deps, chain, surroundings())),
    writeAnswer: (ref: PlanRef) => outward(() => writeAnswer(deps, ref)),
    writeAnswerWithModel: (ref: PlanRef) =>
      outward(() => beating(() => writeAnswerWithModel(deps, ref, surroundings()))),
    handInPlan: (ref: PlanRef) => outward(() => handInPlan(deps, ref)),
    readWishes: (ref: { run_id: string }) => outward(() => readWishes(deps, ref)),
    endRun: (ref: { run_id: string; ending: Ending }) => outward(() => endRun(deps, ref)),
  };
}
export type Activities = ReturnType<typeof createActivities>;

function execution(): string {
  return Context.current().info.workflowExecution?.runId ?? '';
}

function surroundings(): Surroundings {
  return { execution: execution(), cancelled: Context.current().cancellationSignal };
}

/** Sends heartbeats while `act` runs; local activities are short and need none. */
async function beating<T>(act: () => Promise<T>): Promise<T> {
  const context = Context.current();
  if (context.info.isLocal) return act();
  const timer = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await act();
  } finally {
    clearInterval(timer);
  }
}

/**
 * Turns what was thrown into what Temporal understands. A refusal is final unless the table of failures says otherwise; a cancellation
 * is one unless the worker stops, which means: try again elsewhere. Anything else (Postgres away, a bug) is tried again.
 */
async function outward<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Refusal) {
      const { retry_after_ms } = error.more;
      throw ApplicationFailure.create({
        type: error.code,
        message: error.message,
        nonRetryable: !isRetryable(error.code),
        ...(typeof retry_after_ms === 'number' && { nextRetryDelay: retry_after_ms }),
      });
    }
    if (error instanceof Interrupted) {
      if (Context.current().cancellationDetails?.workerShutdown === true) {
        throw ApplicationFailure.retryable('The worker stops.', 'worker_lost');
      }
      throw new CancelledFailure('CANCELLED');
    }
    throw error;
  }
}
