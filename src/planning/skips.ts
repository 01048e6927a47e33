import type { OutlineStep } from '../contracts/outline';

/** What a step is told that can no longer run. */
export const SKIPPED_WITH = 'A step it needs was not completed.';

type SkippableStep = Pick<OutlineStep, 'id' | 'needs' | 'join'>;
type SkippablePlan = { steps: readonly SkippableStep[] };
type Ended = 'completed' | 'failed' | 'skipped';

/**
 * The steps that have not ended and can no longer run, each after those it needs. With `join: all` a step is lost when one
 * step it needs ended without completing; with `join: any` when all of them did. Losing a step may lose those that need it.
 */
export function skippedBy({ steps }: SkippablePlan, ended: ReadonlyMap<string, Ended>): string[] {
  const known = new Map(ended);
  const skipped: string[] = [];
  for (const step of inOrder(steps)) {
    if (known.has(step.id) || !isLost(step, known)) continue;
    known.set(step.id, 'skipped');
    skipped.push(step.id);
  }
  return skipped;
}

function isLost({ needs, join }: SkippableStep, ended: ReadonlyMap<string, Ended>): boolean {
  const isGone = (id: string): boolean => {
    const status = ended.get(id);
    return status === 'failed' || status === 'skipped';
  };
  return join === 'all' ? needs.some(isGone) : needs.length > 0 && needs.every(isGone);
}

/** Steps after those they need, else in the order of the outline (Kahn). Steps of a cycle, which no checked plan has, are left out. */
function inOrder(steps: readonly SkippableStep[]): SkippableStep[] {
  const waiting = new Map(steps.map(({ id, needs }) => [id, needs.length]));
  const dependents = new Map<string, SkippableStep[]>();
  for (const step of steps) {
    for (const need of step.needs) {
      const list = dependents.get(need);
      if (list) list.push(step);
      else dependents.set(need, [step]);
    }
  }
  const ordered = steps.filter(({ needs }) => needs.length === 0);
  for (let at = 0; at < ordered.length; at += 1) {
    for (const dependent of dependents.get((ordered[at] as SkippableStep).id) ?? []) {
      const left = (waiting.get(dependent.id) ?? 0) - 1;
      waiting.set(dependent.id, left);
      if (left === 0) ordered.push(dependent);
    }
  }
  return ordered;
}
