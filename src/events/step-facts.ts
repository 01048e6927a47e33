import type { Elsewhere } from '../contracts/elsewhere';
import type { StepRef } from '../db/steps';
import type { Fact } from '../contracts/fact';

/** Largest body that an event carries itself, bytes of JSON. */
export const MAX_CARRIED_BYTES = 32 * 1_024;

/** Events of a step carry their plan's version and their start in the key: a repetition is the same fact. */
export function keyOf({ plan_version, step_id }: StepRef, what: string): string {
  return `step:${plan_version}:${step_id}:${what}`;
}

/** That a step is not carried out, and why. */
export function skippedEvent(ref: StepRef, reason: string): Fact & { key: string } {
  return { key: keyOf(ref, 'ended'), type: 'step.skipped', step_id: ref.step_id, data: { reason } };
}

/** A body as an event carries it: itself, or where it is read when it is large. Readers of a stream get thousands of them. */
export function carried<Name extends 'input' | 'output'>(
  name: Name,
  body: unknown,
  { run_id, step_id }: StepRef,
): Record<Name, unknown> | Record<`${Name}_ref`, Elsewhere> {
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes <= MAX_CARRIED_BYTES) return { [name]: body } as Record<Name, unknown>;
  const url = `/v1/runs/${run_id}/steps/${step_id}`;
  return { [`${name}_ref`]: { bytes, url } } as Record<`${Name}_ref`, Elsewhere>;
}
