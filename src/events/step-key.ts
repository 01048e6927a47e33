import type { StepRef } from '../db/steps';

/** Events of a step carry their plan's version and what they tell in the key: a repetition is the same fact. */
export function keyOf({ plan_version, step_id }: StepRef, what: string): string {
  return `step:${plan_version}:${step_id}:${what}`;
}
