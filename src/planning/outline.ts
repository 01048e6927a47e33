import type { Outline } from '../contracts/outline';
import type { Step } from '../contracts/plan';
import type { ToolCard } from '../contracts/tool';
import { referencesOfCondition } from './conditions';
import { referencesOf } from './references';

/** Largest outline, bytes of JSON: it is the input of a workflow and goes through every continue-as-new. */
export const MAX_OUTLINE_BYTES = 64 * 1024;

/** Ids of the steps that this one waits for: from its input, its `needs` and its condition, without doubles. May be dangling. */
export function needsOf(step: Pick<Step, 'input' | 'needs' | 'when'>): string[] {
  const ids = new Set<string>();
  for (const { step_id } of referencesOf(step.input)) ids.add(step_id);
  for (const id of step.needs ?? []) ids.add(id);
  for (const { step_id } of referencesOfCondition(step.when)) ids.add(step_id);
  return [...ids];
}

/** The edges of a plan, `from` before `to`, without doubles and without those from steps it does not have. */
export function edgesOf(steps: readonly Step[]): [from: string, to: string][] {
  const ids = new Set(steps.map(({ id }) => id));
  return steps.flatMap((step) =>
    needsOf(step)
      .filter((need) => ids.has(need))
      .map((need): [string, string] => [need, step.id]),
  );
}

/** What the workflow needs of a checked plan. */
export function outlineOf(
  plan_version: number,
  steps: readonly Step[],
  toolOf: (step: Step) => Pick<ToolCard, 'lane' | 'timeout_s'>,
): Outline {
  return {
    plan_version,
    steps: steps.map((step) => {
      const { lane, timeout_s } = toolOf(step);
      const { id, join = 'all', on_failure = 'stop' } = step;
      return { id, needs: needsOf(step), join, on_failure, lane, timeout_s };
    }),
  };
}

/** Size of an outline as it goes to the workflow, bytes. */
export function outlineBytes(outline: Outline): number {
  return Buffer.byteLength(JSON.stringify(outline));
}
