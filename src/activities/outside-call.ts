import { FAILURES, isRetryable, type Failure, type FailureCode } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import type { StepResult, WaitingStep } from '../contracts/step-result';
import { noteDone, noteNotDone, noteUnknown } from '../db/effects';
import { storable } from '../db/storable';
import type { OutsideTool } from '../tools/tool';
import { askPerson } from './ask-person';
import { callTool } from './call-tool';
import type { ActivityDeps } from './deps';
import { contextOf, FailedTry, type Call } from './step-call';
import { complete } from './step-outcome';
import { StepProgress } from './step-progress';
import { failureOf, isInterruption, propertyOf } from './thrown';

/**
 * Calls a tool whose effects, if it has any, are made elsewhere, ahead of the statements that store what it gave. What is known of the
 * effect is noted first, in a commit of its own: it stays true also where the step was cancelled meanwhile.
 * @returns null when the step has ended or a newer start has taken over
 * @throws FailedTry; Interrupted
 */
export async function callOutside(
  deps: ActivityDeps,
  call: Call,
  tool: OutsideTool,
): Promise<StepResult | WaitingStep | null> {
  const { start, effect } = call;
  const began = performance.now();
  let returned: unknown;
  try {
    returned = await callOnce(deps, call, tool);
  } catch (thrown) {
    if (isInterruption(thrown)) throw thrown;
    const failed = failedTry(call, tool, thrown);
    if (effect === null || tool.effect !== 'unsafe') throw failed;
    if (failed.nothingDone) {
      await noteNotDone(deps.db, effect);
      throw failed;
    }
    await noteUnknown(deps.db, effect);
    return askPerson(deps, { ...start, fence: effect.fence }, unknown(failed.failure));
  }
  deps.crashPoint('after_tool');
  const duration_ms = Math.round(performance.now() - began);
  const output = await kept(deps, call, tool, returned);
  return complete(deps.db, start, { output, duration_ms });
}

async function callOnce(
  { db }: ActivityDeps,
  { start, input, cancelled, wanted: { key: idempotency_key } }: Call,
  tool: OutsideTool,
): Promise<unknown> {
  const { ref, step, fence } = start;
  const progress = fence === null ? null : new StepProgress(db, { ref, attempt: step.attempt, fence });
  // A copy: what the tool does to its input must not become the input that is stored.
  const call = (signal: AbortSignal) =>
    tool.call(
      structuredClone(input),
      contextOf(start, { signal, idempotency_key, progress: progress?.report }),
    );
  try {
    return await callTool(call, { timeout_s: tool.timeout_s, cancelled });
  } finally {
    await progress?.close();
  }
}

/** The output as it is stored. Where it cannot be, the effect was made all the same. @throws FailedTry */
async function kept(
  deps: ActivityDeps,
  { start, effect }: Call,
  tool: OutsideTool,
  returned: unknown,
): Promise<unknown> {
  const checked = checkedOutput(deps, start, tool, returned);
  if (effect !== null) await noteDone(deps.db, effect, checked.ok ? { output: checked.output } : {});
  if (checked.ok) return checked.output;
  const failure = { ...failureOf(checked.refusal), step_id: start.ref.step_id };
  throw new FailedTry(failure, { final: true, nothingDone: false });
}

function checkedOutput(
  { checkInput }: ActivityDeps,
  { step }: Call['start'],
  tool: OutsideTool,
  returned: unknown,
): { ok: true; output: unknown } | { ok: false; refusal: unknown } {
  try {
    const output = storable(returned, step.rules.max_output_bytes);
    const [wrong] = checkInput.output(tool, output);
    if (wrong === undefined) return { ok: true, output };
    const detail = `The tool returned what does not fit its schema: ${wrong.pointer} ${wrong.detail}`;
    return { ok: false, refusal: new Refusal('invalid_output', detail) };
  } catch (refusal) {
    return { ok: false, refusal };
  }
}

/** Failures after which another try may be of no use and which yet say nothing of the effect: the call had begun. */
const LEAVE_OPEN: ReadonlySet<FailureCode> = new Set([
  'tool_timeout',
  'outcome_unknown',
  'invalid_output',
  'output_too_large',
  'internal',
]);

/** What a tool means by what it threw: whether another try is of use, and whether it says that nothing was done. */
function failedTry({ start }: Call, tool: OutsideTool, thrown: unknown): FailedTry {
  const failure = failureOf(thrown);
  const final = !isRetryable(failure.code) || isNamed(tool, thrown);
  const not_done = propertyOf(thrown, 'not_done') === true;
  const nothingDone = not_done || (final && !LEAVE_OPEN.has(failure.code));
  return new FailedTry({ ...failure, step_id: start.ref.step_id }, { final, nothingDone });
}

function isNamed({ non_retryable = [] }: OutsideTool, thrown: unknown): boolean {
  return ['name', 'code'].some((name) => {
    const value = propertyOf(thrown, name);
    return typeof value === 'string' && non_retryable.includes(value);
  });
}

function unknown({ code, message, step_id }: Failure): Failure {
  return {
    code: 'outcome_unknown',
    message: `${FAILURES.outcome_unknown.title}: ${message}`,
    ...(step_id !== undefined && { step_id }),
    cause: { code, message },
  };
}
