import { isDeepStrictEqual } from 'node:util';
import type { PlanDiff, Step } from '../contracts/plan';

/** What a redrawn plan changed: ids of steps, in the order of the plan they are in. */
export function diffOf(before: readonly Step[], after: readonly Step[]): PlanDiff {
  const old = new Map(before.map((step) => [step.id, step]));
  const kept = new Set(after.map(({ id }) => id));
  return {
    added: after.flatMap(({ id }) => (old.has(id) ? [] : [id])),
    removed: before.flatMap(({ id }) => (kept.has(id) ? [] : [id])),
    changed: after.flatMap((step) => {
      const was = old.get(step.id);
      return was === undefined || isDeepStrictEqual(was, step) ? [] : [step.id];
    }),
  };
}
