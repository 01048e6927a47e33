import type { Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import type { Claimed, EffectRef } from '../db/effects';
import type { Tool, ToolContext } from '../tools/tool';
import { attemptOf, type Start } from './step-outcome';

/** A call that is ready to be made. */
export interface Call {
  start: Start;
  tool: Tool;
  input: Record<string, unknown>;
  /** The effect it means to make. Also of a tool that makes none: a key of its own tells one call from another everywhere. */
  wanted: EffectRef;
  /** The same, once it is claimed; null where the tool makes none outside of Postgres. */
  effect: Claimed | null;
  cancelled: AbortSignal;
}

/** A try that the tool or its output made fail; anything else that is thrown says nothing about the tool. */
export class FailedTry extends Error {
  /** Whether another try is of no use. */
  readonly final: boolean;
  /** Whether the tool says that it has done nothing. */
  readonly nothingDone: boolean;

  constructor(
    readonly failure: Failure,
    { final, nothingDone }: { final: boolean; nothingDone: boolean },
  ) {
    super(failure.message);
    this.final = final;
    this.nothingDone = nothingDone;
  }
}

/**
 * A newer start of the step is at work. Who is told so may still be the one that Temporal listens to, where the newer one was slow to begin:
 * so it is no end of the step, and is asked about again.
 */
export class NewerStart extends Refusal {
  constructor() {
    super('superseded', 'A newer start of this step has taken over.');
  }
}

/** What a tool is told of its surroundings. */
export function contextOf(
  start: Start,
  {
    signal,
    idempotency_key,
    progress = () => undefined,
  }: Pick<ToolContext, 'signal' | 'idempotency_key'> & { progress?: ToolContext['progress'] | undefined },
): ToolContext {
  const { ref, step } = start;
  const { run_id, step_id } = ref;
  const { tenant, user } = step;
  return { tenant, user, run_id, step_id, attempt: attemptOf(start), idempotency_key, signal, progress };
}
