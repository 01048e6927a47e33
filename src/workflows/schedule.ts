import type { Outline, OutlineStep } from '../contracts/outline';
import type { StepResult } from '../contracts/step-result';

/**
 * The scheduler: which steps may go now. Dataflow, not level by level: a step starts as soon as its own inputs are there.
 * Pure, and without a word on skips: the transaction that ends a step decides which others it skips and reports them. The workflow
 * asks it, and so does the activity that goes on from one instant step to the next.
 *
 *     join   may start when all it needs has ended, and
 *     all    every one of them completed
 *     any    at least one of them completed
 */
export interface Progress {
  /** How each step ended that has. */
  ended: ReadonlyMap<string, StepResult['status']>;
  /** Steps that were started and have not ended. */
  running: ReadonlySet<string>;
}

/**
 * Steps that may start now, in the plan's order: slow ones as many as `max_parallel` leaves room for. Instant ones are carried out
 * one after another, so they take no room.
 * @param max_parallel slow steps in flight at once, from 1.
 */
export function startable(outline: Outline, progress: Progress, max_parallel: number): OutlineStep[] {
  const { ended, running } = progress;
  let room = max_parallel - outline.steps.filter((step) => running.has(step.id) && !isInstant(step)).length;
  return outline.steps
    .filter(({ id }) => !ended.has(id) && !running.has(id))
    .filter((step) => hasItsInputs(step, progress))
    .filter((step) => isInstant(step) || room-- > 0);
}

/** Whether a step is carried out on the worker of the workflow, one after another. */
export function isInstant({ lane }: OutlineStep): boolean {
  return lane === 'instant';
}

/** Whether the plan cannot do without a step that ended like this. */
export function stopsRun(
  outline: Outline,
  { step_id, status }: Pick<StepResult, 'step_id' | 'status'>,
): boolean {
  return status === 'failed' && outline.steps.find(({ id }) => id === step_id)?.on_failure === 'stop';
}

/** Whether every step of the outline has ended. */
export function isDone(outline: Outline, { ended }: Progress): boolean {
  return outline.steps.every(({ id }) => ended.has(id));
}

/** Whether nothing runs, nothing may start, and yet the plan is not done: a skip was not reported, which is a bug. */
export function isStuck(outline: Outline, progress: Progress): boolean {
  return (
    progress.running.size === 0 && !isDone(outline, progress) && startable(outline, progress, 1).length === 0
  );
}

/** Steps that ended without an output. A step that fails, or is skipped, after a Reset by an operator has to know them: they stay as they are. */
export function lostOf(ended: Iterable<[step_id: string, status: StepResult['status']]>): string[] {
  return [...ended].filter(([, status]) => status !== 'completed').map(([id]) => id);
}

function hasItsInputs({ needs, join }: OutlineStep, { ended }: Progress): boolean {
  if (needs.length === 0) return true;
  const endings = needs.map((id) => ended.get(id));
  if (endings.includes(undefined)) return false;
  const completed = endings.filter((ending) => ending === 'completed').length;
  return join === 'any' ? completed > 0 : completed === needs.length;
}
