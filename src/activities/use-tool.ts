import { ApplicationFailure } from '@temporalio/common';
import { isRetryable, type Failure } from '../contracts/failure';
import { Interrupted } from '../contracts/interrupted';
import { Refusal } from '../contracts/refusal';
import { isTerminal } from '../contracts/run-status';
import type { StepResult, WaitingStep } from '../contracts/step-result';
import { isDatabaseError } from '../db/unavailable';
import { lockStep, readSteps, takeFence, type StepRef, type StepRow } from '../db/steps';
import type { Tx } from '../db/tx';
import { append } from '../events/append';
import type { OutsideTool, Tool, ToolContext, TransactionalTool } from '../tools/tool';
import { callTool } from './call-tool';
import type { ActivityDeps } from './deps';
import { prepareCall, type Prepared } from './prepare-call';
import { storable } from '../db/storable';
import { takenUp } from './taken-up';
import { failureOf } from './thrown';
import {
  attemptOf,
  beginEvents,
  complete,
  fail,
  hasOutcome,
  isOpen,
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

/** Where an activity runs and how it is stopped. */
export interface Surroundings {
  /** Temporal's run id. */
  execution: string;
  cancelled: AbortSignal;
  /** Steps of which the workflow knows that they ended without an output. */
  lost?: readonly string[];
}

/** A call that is ready to be made. */
interface Call {
  start: Start;
  tool: Tool;
  input: Record<string, unknown>;
  cancelled: AbortSignal;
}

/** A try that the tool or its output made fail; anything else that is thrown says nothing about the tool. */
class FailedTry extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

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
  const [step] = await readSteps(deps.db, ref.run_id, ref.plan_version, [ref.step_id]);
  if (step === undefined)
    throw new Error(`Run ${ref.run_id} has no step ${ref.step_id} in plan ${ref.plan_version}.`);
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
 *   transactional          the call, the checkpoint and the facts are one transaction under the lock of the step's row
 *
 * @param row as it was read
 * @throws Refusal `run_over`, `superseded`; Interrupted; NewExecution.
 */
export async function tryStep(
  deps: ActivityDeps,
  ref: StepRef,
  row: StepRow,
  around: Surroundings,
): Promise<StepResult | TryAgain> {
  const step = await takenUp(deps.db, ref, row, around);
  if (hasOutcome(step.status)) return settled(deps, ref, null);
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

async function begin(
  deps: ActivityDeps,
  before: Start,
  { tool, input, input_hash }: Prepared & { kind: 'call' },
  around: Surroundings,
): Promise<StepResult | TryAgain> {
  const { ref, step } = before;
  let start: Start = { ...before, input, input_hash };
  if (step.lane !== 'instant') {
    const taken = await deps.db.transaction((tx) => takeStart(tx, start, around.execution));
    if (taken === null) return settled(deps, ref, null);
    start = taken;
    if (taken.fence - 1 - step.fences_before - taken.step.tries > LOST_STARTS) {
      const message = `The worker was lost ${LOST_STARTS} times during this step.`;
      return failed(deps, start, { code: 'worker_lost', message, step_id: ref.step_id });
    }
  }
  const call: Call = { start, tool, input, cancelled: around.cancelled };
  try {
    const written = tool.effect === 'transactional' ? inside(deps, call, tool) : ahead(deps, call, tool);
    return await settled(deps, ref, await written);
  } catch (error) {
    if (error instanceof FailedTry) return afterFailure(deps, call, error.failure);
    throw error;
  }
}

/** Takes the number of this start and says that it began, and that an earlier one was lost where nobody could say so. */
async function takeStart(tx: Tx, { step, ...rest }: Start, execution: string) {
  const taken = await takeFence(tx, rest.ref, execution);
  if (taken === null) return null;
  // The step as it was when the number was taken: another start may have come between the look and the lock.
  const start = { ...rest, step: { ...step, ...taken.before }, fence: taken.fence };
  await append(tx, rest.ref.run_id, { attempt: step.attempt, events: beginEvents(start) });
  return start;
}

/** A pure tool is called ahead of the one statement that stores what it gave. */
async function ahead(
  deps: ActivityDeps,
  { start, tool, input, cancelled }: Call,
  pure: OutsideTool,
): Promise<StepResult | null> {
  const began = performance.now();
  const output = await tried(start, isInterruption, async () => {
    const limits = { timeout_s: tool.timeout_s, cancelled };
    return storable(
      await callTool((signal) => pure.call(input, contextOf(start, signal)), limits),
      start.step.rules.max_output_bytes,
    );
  });
  return complete(deps.db, start, { output, duration_ms: Math.round(performance.now() - began) });
}

/** A transactional tool is called inside the transaction, under the lock of the step's row: a second worker waits and finds the outcome. */
function inside(
  deps: ActivityDeps,
  { start, input, cancelled }: Call,
  tool: TransactionalTool,
): Promise<StepResult | null> {
  return deps.db.transaction(async (tx) => {
    const { status, fence } = await lockStep(tx, start.ref);
    // It ended, was cancelled or is another start's: a call now would have an effect of which no checkpoint tells.
    if (!isOpen(status) || fence !== (start.fence ?? fence)) return null;
    const began = performance.now();
    const output = await tried(start, isNotTheTools, async () =>
      storable(await tool.call(input, contextOf(start, cancelled), tx), start.step.rules.max_output_bytes),
    );
    const written = await complete(tx, start, { output, duration_ms: Math.round(performance.now() - began) });
    if (written === null) throw new Refusal('superseded', 'A newer start of this step has taken over.');
    return written;
  });
}

function contextOf(start: Start, signal: AbortSignal): ToolContext {
  const { ref, step } = start;
  const { run_id, step_id } = ref;
  return {
    tenant: step.tenant,
    user: step.user,
    run_id,
    step_id,
    attempt: attemptOf(start),
    signal,
    idempotency_key: '',
    progress: () => undefined,
  };
}

/** What the tool throws becomes the failure of the try; what `passes` says is not its own is thrown on as it is. */
async function tried<T>(
  { ref }: Start,
  passes: (thrown: unknown) => boolean,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (passes(thrown)) throw thrown;
    throw new FailedTry({ ...failureOf(thrown), step_id: ref.step_id });
  }
}

const isInterruption = (thrown: unknown) => thrown instanceof Interrupted;
/** Only a tool that works on our Postgres may blame it: the ECONNREFUSED of any other is that of a server of its own. */
const isNotTheTools = (thrown: unknown) => isInterruption(thrown) || isDatabaseError(thrown);

/** Ends the step with the failure, or announces the next try. The count is a row: a lost worker or an absent database uses up none. */
async function afterFailure(
  deps: ActivityDeps,
  { start, tool }: Call,
  failure: Failure,
): Promise<StepResult | TryAgain> {
  const { ref, step } = start;
  if (!isRetryable(failure.code) || step.tries + 1 >= tool.max_attempts) {
    return failed(deps, start, failure);
  }
  const pause_ms = Math.min(FIRST_PAUSE_MS * 2 ** step.tries, LONGEST_PAUSE_MS);
  const next_at = new Date(Date.now() + pause_ms);
  const announced = await retry(deps.db, start, failure, next_at);
  if (!announced) return settled(deps, ref, null);
  return { status: 'retrying', step_id: ref.step_id, failure, pause_ms };
}

async function failed(deps: ActivityDeps, start: Start, failure: Failure): Promise<StepResult> {
  return settled(deps, start.ref, await deps.db.transaction((tx) => fail(tx, start, failure)));
}

/** What was written; where it was refused, the outcome that was there before. @throws Refusal `superseded` when a newer start is at work. */
async function settled(deps: ActivityDeps, ref: StepRef, written: StepResult | null): Promise<StepResult> {
  const result = written ?? (await storedResult(deps.db, ref, null));
  if (result === null) throw new Refusal('superseded', 'A newer start of this step has taken over.');
  return result;
}
