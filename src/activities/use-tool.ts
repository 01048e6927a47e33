import { ApplicationFailure } from '@temporalio/common';
import { FAILURES, type Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import { isTerminal } from '../contracts/run-status';
import type { StepResult, WaitingStep } from '../contracts/step-result';
import { claimEffect, effectKey, type Claim, type EffectRef } from '../db/effects';
import { admit } from '../db/executions';
import { readSteps, takeFence, type StepRef, type StepRow } from '../db/steps';
import type { Tx } from '../db/tx';
import { closeAnswers } from '../db/wishes';
import { append } from '../events/append';
import { canonical } from '../planning/canonical';
import type { Tool } from '../tools/tool';
import { askPerson } from './ask-person';
import type { ActivityDeps } from './deps';
import { callInside } from './inside-call';
import { callOutside } from './outside-call';
import { prepareCall, type Prepared } from './prepare-call';
import { FailedTry, NewerStart, type Call } from './step-call';
import type { Surroundings } from './surroundings';
import { takenUp } from './taken-up';
import {
  beginEvents,
  complete,
  fail,
  hasOutcome,
  retry,
  skip,
  storedResult,
  type Start,
} from './step-outcome';

/** Pauses before a step is tried again, milliseconds: doubled from the first to the longest. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2_000;
/** Starts that may be lost with their worker before a step is given up: a tool that kills its worker must not do so for ever. */
const LOST_STARTS = 10;

/** A try failed, which is stored, and another one follows. */
export interface TryAgain {
  status: 'retrying';
  step_id: string;
  failure: Failure;
  pause_ms: number;
}

/**
 * Carries one step out. Temporal tries again what is to be tried again.
 * @throws as `tryStep`; ApplicationFailure when a try failed and another one follows.
 */
export async function useTool(
  deps: ActivityDeps,
  ref: StepRef,
  around: Surroundings,
): Promise<StepResult | WaitingStep> {
  let step = await stepOf(deps, ref);
  if (step.fence > 0) {
    admit(step, around.execution); // an older one would close answers that wake the newer one
    await closeAnswers(deps.db, ref);
    step = await stepOf(deps, ref); // as every answer that was closed has left it
  }
  const tried = await tryStep(deps, ref, step, around);
  if (tried.status !== 'retrying') return tried;
  const { failure, pause_ms } = tried;
  throw ApplicationFailure.create({
    type: failure.code,
    message: failure.message,
    nonRetryable: false,
    nextRetryDelay: pause_ms,
  });
}

/**
 * One try of a step: fills its input in from stored outputs, evaluates its condition, calls its tool and stores what came of it
 * with the facts, in one transaction. Whatever was stored before is returned again.
 *
 *   pure, instant          call, then one transaction; the first stored outcome wins
 *   pure, lane `tools`     a start takes a fence number first; every later write carries it
 *   idempotent, unsafe     the same, and with the number it claims its effect; what is known of that is noted before the outcome
 *   transactional          the call, the checkpoint and the facts are one transaction under the lock of the step's row
 *
 * @param row as it was read
 * @throws Refusal `run_over`, `superseded`; NewerStart; Interrupted; NewExecution.
 */
export async function tryStep(
  deps: ActivityDeps,
  ref: StepRef,
  row: StepRow,
  around: Surroundings,
): Promise<StepResult | WaitingStep | TryAgain> {
  const step = await takenUp(deps.db, ref, row, around);
  if (hasOutcome(step.status)) return settled(deps, ref, null);
  if (step.status === 'waiting') {
    const asking = await storedResult(deps.db, ref, null);
    return asking ?? tryStep(deps, ref, await stepOf(deps, ref), around); // it was answered since it was read
  }
  if (isTerminal(step.run_status)) throw new Refusal('run_over', 'The run has already ended.');

  const tool = deps.tools.get(step.tool, step.tool_version);
  const prepared = prepareCall(step, tool, deps.checkInput);
  if (prepared.kind === 'call') return begin(deps, { ref, step, fence: null }, prepared, around);
  const start: Start = { ref, step, fence: null };
  const written = await deps.db.transaction((tx) =>
    prepared.kind === 'skip' ? skip(tx, start, prepared.reason) : fail(tx, start, prepared.failure),
  );
  return settled(deps, ref, written);
}

async function stepOf({ db }: ActivityDeps, { run_id, plan_version, step_id }: StepRef): Promise<StepRow> {
  const [step] = await readSteps(db, run_id, plan_version, [step_id]);
  return step;
}

async function begin(
  deps: ActivityDeps,
  before: Start,
  { tool, input, input_hash }: Prepared & { kind: 'call' },
  around: Surroundings,
): Promise<StepResult | WaitingStep | TryAgain> {
  const { ref, step } = before;
  const call: Call = {
    start: { ...before, input, input_hash },
    tool,
    input,
    wanted: effectOf(before, tool, input),
    effect: null,
    cancelled: around.cancelled,
  };
  if (step.lane === 'instant') return attempt(deps, call);

  const taken = await deps.db.transaction((tx) => takeStart(tx, call, around.execution));
  if (taken === null) return settled(deps, ref, null);
  const { start, claim } = taken;
  if (claim?.kind === 'done') {
    const output = { output: claim.output, duration_ms: 0, reused: true };
    return settled(deps, ref, await complete(deps.db, start, output));
  }
  if (claim?.kind === 'unknown')
    return settled(deps, ref, await askPerson(deps, start, earlierCall(ref, claim)));
  if (start.fence - 1 - step.fences_before - start.step.tries > LOST_STARTS) {
    const message = `The worker was lost ${LOST_STARTS} times during this step.`;
    return failed(deps, start, { code: 'worker_lost', message, step_id: ref.step_id });
  }
  const effect = claim === null ? null : { ...call.wanted, fence: start.fence };
  return attempt(deps, { ...call, start, effect });
}

/** Makes the call, and stores what came of it. */
async function attempt(deps: ActivityDeps, call: Call): Promise<StepResult | WaitingStep | TryAgain> {
  const { tool } = call;
  deps.crashPoint('before_tool');
  try {
    const written =
      tool.effect === 'transactional' ? callInside(deps, call, tool) : callOutside(deps, call, tool);
    const result = await settled(deps, call.start.ref, await written);
    deps.crashPoint('after_checkpoint');
    return result;
  } catch (error) {
    if (error instanceof FailedTry) return afterFailure(deps, call, error);
    throw error;
  }
}

/** The effect that a step means to make. */
function effectOf({ ref, step }: Start, tool: Tool, input: unknown): EffectRef {
  const { run_id, step_id } = ref;
  const effect = { tenant: step.tenant, effect_scope: step.effect_scope, step_id, tool: tool.name };
  return { ...effect, run_id, key: effectKey(effect, canonical(input)) };
}

/**
 * Takes the number of this start, claims the effect of a tool that makes one elsewhere, and says that the start began, and that an earlier
 * one was lost where nobody could say so.
 */
async function takeStart(
  tx: Tx,
  { start: { step, ...rest }, tool, wanted }: Call,
  execution: string,
): Promise<{ start: Start & { fence: number }; claim: Claim | null } | null> {
  const taken = await takeFence(tx, rest.ref, execution);
  if (taken === null) return null;
  // The step as it was when the number was taken: another start may have come between the look and the lock.
  const start = { ...rest, step: { ...step, ...taken.before }, fence: taken.fence };
  const claim =
    tool.effect === 'idempotent' || tool.effect === 'unsafe'
      ? await claimEffect(tx, wanted, taken.fence, tool.effect)
      : null;
  const events = beginEvents(start, claim === null || claim.kind === 'call');
  await append(tx, rest.ref.run_id, { attempt: step.attempt, events }); // also of nothing: it refuses an attempt that is over
  return { start, claim };
}

/** Ends the step with the failure, or announces the next try. The count is a row: a lost worker or an absent database uses up none. */
async function afterFailure(
  deps: ActivityDeps,
  { start, tool }: Call,
  { failure, final }: FailedTry,
): Promise<StepResult | WaitingStep | TryAgain> {
  const { ref, step } = start;
  if (final || step.tries + 1 >= tool.max_attempts) return failed(deps, start, failure);
  const pause_ms = Math.min(FIRST_PAUSE_MS * 2 ** step.tries, LONGEST_PAUSE_MS);
  const next_at = new Date(Date.now() + pause_ms);
  const announced = await retry(deps.db, start, failure, next_at);
  if (!announced) return settled(deps, ref, null);
  return { status: 'retrying', step_id: ref.step_id, failure, pause_ms };
}

/** Why a call may not be made: what is known of an earlier one. */
function earlierCall({ step_id }: StepRef, { made }: Claim & { kind: 'unknown' }): Failure {
  const message = made
    ? 'An earlier call took effect; what it returned could not be kept, or belongs to another input.'
    : `${FAILURES.outcome_unknown.title}: nobody heard how an earlier call ended.`;
  return { code: 'outcome_unknown', message, step_id };
}

async function failed(deps: ActivityDeps, start: Start, failure: Failure): Promise<StepResult | WaitingStep> {
  return settled(deps, start.ref, await deps.db.transaction((tx) => fail(tx, start, failure)));
}

/** What was written; where it was refused, the outcome that was there before. @throws NewerStart */
async function settled(
  deps: ActivityDeps,
  ref: StepRef,
  written: StepResult | WaitingStep | null,
): Promise<StepResult | WaitingStep> {
  const result = written ?? (await storedResult(deps.db, ref, null));
  if (result === null) throw new NewerStart();
  return result;
}
