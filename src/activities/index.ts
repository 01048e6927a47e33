import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Ending } from '../contracts/ending';
import { isRetryable } from '../contracts/failure';
import { Interrupted } from '../contracts/interrupted';
import { Refusal } from '../contracts/refusal';
import type { StepRef } from '../db/steps';
import { endRun } from '../runs/end-run';
import { inExecution } from '../runs/reopen';
import type { ActivityDeps } from './deps';
import { draftPlan } from './draft-plan';
import { draftPlanWithModel } from './draft-plan-with-model';
import { handInPlan } from './hand-in-plan';
import { judgePlan } from './judge-plan';
import type { RoundRef } from './round-outcome';
import { readWishes } from './read-wishes';
import { carryOutInstantly, type Chain } from './carry-out-instantly';
import { NewerStart } from './step-call';
import type { Surroundings } from './surroundings';
import { useTool } from './use-tool';
import { writeAnswer, type PlanRef } from './write-answer';
import { writeAnswerWithModel } from './write-answer-with-model';

/** Pause between heartbeats, milliseconds. A cancellation travels on their answers. */
const HEARTBEAT_MS = 500;

export type { Chain } from './carry-out-instantly';
export type { ActivityDeps } from './deps';

/** The activities of a worker, by the names under which Temporal knows them. */
export function createActivities(deps: ActivityDeps) {
  /** Work on a run for the execution that asks for it; the first that comes with a new one finds that an operator has reset the run. */
  function working<T>(run_id: string, act: (around: Surroundings) => Promise<T>): Promise<T> {
    const around = surroundings();
    const { execution } = around;
    return outward(() => inExecution(deps.db, { run_id, execution }, () => act(around)));
  }
  /** The same, for work that takes its time. */
  const atLength: typeof working = (run_id, act) => working(run_id, (around) => beating(() => act(around)));
  return {
    draftPlan: (ref: RoundRef) => working(ref.run_id, ({ execution }) => draftPlan(deps, ref, execution)),
    draftPlanWithModel: (ref: RoundRef) =>
      atLength(ref.run_id, (around) => draftPlanWithModel(deps, ref, around)),
    judgePlan: (ref: RoundRef) => working(ref.run_id, (around) => judgePlan(deps, ref, around)),
    judgePlanWithModel: (ref: RoundRef) => atLength(ref.run_id, (around) => judgePlan(deps, ref, around)),
    useTool: ({ lost, ...ref }: StepRef & { lost?: string[] }) =>
      atLength(ref.run_id, (around) => useTool(deps, ref, { ...around, ...(lost && { lost }) })),
    carryOutInstantly: (chain: Chain) =>
      working(chain.run_id, (around) => carryOutInstantly(deps, chain, around)),
    writeAnswer: (ref: PlanRef) => working(ref.run_id, ({ execution }) => writeAnswer(deps, ref, execution)),
    writeAnswerWithModel: (ref: PlanRef) =>
      atLength(ref.run_id, (around) => writeAnswerWithModel(deps, ref, around)),
    handInPlan: (ref: PlanRef) => working(ref.run_id, ({ execution }) => handInPlan(deps, ref, execution)),
    readWishes: (ref: { run_id: string }) =>
      working(ref.run_id, ({ execution }) => readWishes(deps, ref, execution)),
    endRun: (ref: { run_id: string; ending: Ending }) =>
      working(ref.run_id, ({ execution }) => endRun(deps.db, ref, execution)),
  };
}
export type Activities = ReturnType<typeof createActivities>;

function surroundings(): Surroundings {
  const { info, cancellationSignal: cancelled } = Context.current();
  return { execution: info.workflowExecution?.runId ?? '', cancelled };
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
        nonRetryable: !isRetryable(error.code) && !(error instanceof NewerStart),
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
