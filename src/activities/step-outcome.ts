import type { Failure } from '../contracts/failure';
import type { StepStatus } from '../contracts/run-status';
import type { StepResult, WaitingStep, WishKind } from '../contracts/step-result';
import {
  lockStepsOf,
  readStatuses,
  skipSteps,
  writeStep,
  type StepChange,
  type StepRef,
  type StepRow,
} from '../db/steps';
import type { Tx } from '../db/tx';
import { append, appendOutcome, type NewEvent } from '../events/append';
import { carried, keyOf, skippedEvent } from '../events/step-facts';
import { SKIPPED_WITH, skippedBy } from '../planning/skips';

/** One start of a step: the row as it was read, and the fence number the start took (null for instant work, where the first outcome wins). */
export interface Start {
  ref: StepRef;
  step: StepRow;
  fence: number | null;
  input?: unknown;
  input_hash?: string;
}

/** The how manieth try of its step a start is, from 1, as its tool and its events tell it. Lost starts count where a fence counts them. */
export function attemptOf({ step, fence }: Start): number {
  return fence ?? step.tries + 1;
}

/** The fact that a start began. Instant work tells it together with its outcome. */
function startedEvent(start: Start): NewEvent {
  const { ref, step, input } = start;
  return {
    key: keyOf(ref, `started:${attemptOf(start)}`),
    type: 'step.started',
    step_id: ref.step_id,
    data: {
      tool: step.tool,
      version: step.tool_version,
      attempt: attemptOf(start),
      ...carried('input', input ?? null, ref),
    },
  };
}

/** Stores output, checkpoint and facts. @returns null when the step had ended or a newer start has taken over. */
export async function complete(
  tx: Tx,
  start: Start,
  { output, duration_ms, reused = false }: { output: unknown; duration_ms: number; reused?: boolean },
): Promise<StepResult | null> {
  const { ref, step, fence } = start;
  const appended = await appendOutcome(tx, ref, {
    fence,
    change: { ...filledIn(start), status: 'completed', output, duration_ms },
    attempt: step.attempt,
    events: [
      ...begun(start),
      {
        key: keyOf(ref, 'ended'),
        type: 'step.completed',
        step_id: ref.step_id,
        data: { ...carried('output', output, ref), duration_ms, reused },
      },
    ],
  });
  return appended && { step_id: ref.step_id, status: 'completed', skipped: [], wish: appended.wish };
}

/** Stores a failure that ends the step, and the skips it causes where the plan goes on without it. */
export async function fail(tx: Tx, start: Start, failure: Failure): Promise<StepResult | null> {
  const failed_tries = start.input === undefined ? 0 : 1;
  const goesOn = start.step.spec.on_failure === 'continue';
  return endWithSkips(tx, start, { ...filledIn(start), status: 'failed', failure, failed_tries }, goesOn, [
    ...(start.input === undefined ? [] : begun(start)),
    {
      key: keyOf(start.ref, 'ended'),
      type: 'step.failed',
      step_id: start.ref.step_id,
      data: { failure, attempts: start.input === undefined ? start.step.tries : attemptOf(start) },
    },
  ]);
}

/** Stores that the step's condition does not hold, and the skips that follow. */
export async function skip(tx: Tx, start: Start, reason: string): Promise<StepResult | null> {
  return endWithSkips(tx, start, { status: 'skipped', status_reason: reason }, true, [
    skippedEvent(start.ref, reason),
  ]);
}

/** Stores that a try failed and another one follows. @returns false when a newer start has taken over. */
export async function retry(tx: Tx, start: Start, failure: Failure, next_at: Date): Promise<boolean> {
  const { ref, step, fence } = start;
  const appended = await appendOutcome(tx, ref, {
    fence,
    change: { ...filledIn(start), status: 'retrying', failure, failed_tries: 1 },
    attempt: step.attempt,
    events: [
      ...begun(start),
      {
        key: keyOf(ref, `retrying:${step.tries + 1}`),
        type: 'step.retrying',
        step_id: ref.step_id,
        data: { attempt: attemptOf(start), next_at: next_at.toISOString(), failure },
      },
    ],
  });
  return appended !== null;
}

/**
 * The result of a step whose outcome is stored, with every skip that is: skips that were told before are told again. Of one that waits for a
 * person, that it does.
 */
export async function storedResult(
  tx: Tx,
  ref: StepRef,
  wish: WishKind | null,
): Promise<StepResult | WaitingStep | null> {
  const { statuses } = await readStatuses(tx, ref.run_id, ref.plan_version);
  const status = statuses.get(ref.step_id);
  if (status === 'waiting') return { step_id: ref.step_id, status, wish };
  if (status === undefined || !hasOutcome(status)) return null;
  const skipped = [...statuses]
    .filter(([id, is]) => is === 'skipped' && id !== ref.step_id)
    .map(([id]) => id);
  return { step_id: ref.step_id, status, skipped, wish };
}

async function endWithSkips(
  tx: Tx,
  { ref, step, fence }: Start,
  change: StepChange & { status: 'failed' | 'skipped' },
  goesOn: boolean,
  events: NewEvent[],
): Promise<StepResult | null> {
  await lockStepsOf(tx, ref.run_id);
  if (!(await writeStep(tx, ref, fence, change))) return null;
  const skipped = goesOn ? await skipDependants(tx, ref) : [];
  const { wish } = await append(tx, ref.run_id, {
    attempt: step.attempt,
    events: [...events, ...skipped.map((id) => skippedEvent({ ...ref, step_id: id }, SKIPPED_WITH))],
  });
  return { step_id: ref.step_id, status: change.status, skipped, wish };
}

async function skipDependants(tx: Tx, { run_id, plan_version }: StepRef): Promise<string[]> {
  const { outline, statuses } = await readStatuses(tx, run_id, plan_version);
  const ended = new Map<string, 'completed' | 'failed' | 'skipped'>();
  for (const [id, status] of statuses) {
    if (hasOutcome(status)) ended.set(id, status);
  }
  const skipped = skippedBy(outline, ended);
  await skipSteps(tx, run_id, plan_version, skipped, SKIPPED_WITH);
  return skipped;
}

/** A start with a fence told that it began when it took the fence. */
function begun(start: Start): NewEvent[] {
  return start.fence === null ? [startedEvent(start)] : [];
}

/** What a start with a fence tells when it takes it: that its tool is called, and that the start before was lost, if nobody could say so. */
export function beginEvents(start: Start, calls: boolean): NewEvent[] {
  const { ref, step } = start;
  const started = calls ? [startedEvent(start)] : [];
  if (step.status !== 'running') return started;
  const lost: NewEvent = {
    key: keyOf(ref, `lost:${step.fence}`),
    type: 'step.retrying',
    step_id: ref.step_id,
    data: {
      attempt: step.fence,
      next_at: new Date().toISOString(),
      failure: {
        code: 'worker_lost',
        message: 'The worker was lost during this step.',
        step_id: ref.step_id,
      },
    },
  };
  return [lost, ...started];
}

function filledIn({ input, input_hash }: Start): Pick<StepChange, 'input' | 'input_hash'> {
  return { ...(input === undefined ? {} : { input }), ...(input_hash === undefined ? {} : { input_hash }) };
}

/** Whether a step came to something; a cancelled one did not. */
export function hasOutcome(status: StepStatus): status is 'completed' | 'failed' | 'skipped' {
  return status === 'completed' || status === 'failed' || status === 'skipped';
}

/** Whether a step may still come to something. */
export function isOpen(status: StepStatus): boolean {
  return status === 'pending' || status === 'running' || status === 'retrying';
}
