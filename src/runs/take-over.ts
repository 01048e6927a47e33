import type { Outline } from '../contracts/outline';
import type { Step } from '../contracts/plan';
import { stepRows } from '../db/plans';
import type { RepeatedRun, RepeatedStep } from '../db/repeated-runs';
import type { NewEvent, TakenOver } from '../events/append';
import { keyOf, skippedEvent } from '../events/step-facts';
import { contentHashOf } from '../planning/canonical';
import { edgesOf, outlineOf } from '../planning/outline';
import { diffOf } from '../planning/plan-diff';
import { SKIPPED_WITH } from '../planning/skips';
import type { Asked, Decided } from './decide-rerun';

/** Of the plan in the new run, which is its first. */
const VERSION = 1;

/**
 * What the new run is stored with: the plan as it will be carried out, its steps, and the facts of those that are taken over. Pure.
 */
export function takeOver(
  old: RepeatedRun,
  { type }: Pick<Asked, 'type'>,
  decided: Decided,
  run_id: string,
): TakenOver {
  const plan = old.plan!;
  const { steps, fates, lost, planning } = decided;
  const was = new Map(old.steps.map((step) => [step.id, step]));
  const isReused = ({ id }: Pick<Step, 'id'>) => fates.get(id)!.action === 'reuse' && !lost.has(id);
  const outline = outlineOfRerun(plan.outline, decided);
  const source = planning === 'given' ? 'given' : 'restart';
  const rows = stepRows({ outline, steps }, (step) => {
    const card = decided.cards.get(step.id);
    if (card !== undefined) return card;
    const { tool_version: version, lane, effect } = was.get(step.id)!;
    return { version, lane, effect };
  });
  return {
    from: { run_id: old.id, version: plan.version },
    plan: {
      version: VERSION,
      source,
      steps,
      outline,
      content_hash: contentHashOf(steps),
    },
    steps: rows.map((row) => ({
      ...row,
      reused: isReused(row),
      ...(lost.has(row.id) && { status: 'skipped', status_reason: SKIPPED_WITH }),
      effect_scope: scopeOf(was.get(row.id), isReused(row), type, run_id),
    })),
    created: {
      key: `plan:${VERSION}:drafted`,
      type: 'plan.created',
      data: {
        version: VERSION,
        source,
        steps,
        edges: edgesOf(steps),
        ...(type === 'fork' && { diff: diffOf(plan.steps, steps) }),
      },
    },
    ended: [
      ...old.steps
        .filter((step) => fates.has(step.id) && isReused(step))
        .toSorted(byEnd)
        .map((step) => factOf(run_id, step)),
      ...[...lost].map((id) => skippedEvent({ run_id, plan_version: VERSION, step_id: id }, SKIPPED_WITH)),
    ],
  };
}

/** The outline of the plan: a step that is taken over stays on the lane it ran on, and the answer is written by whom it was to be. */
function outlineOfRerun({ steps: before, answer }: Outline, { steps, cards, fates }: Decided): Outline {
  const old = new Map(before.map((step) => [step.id, step]));
  const outline = outlineOf(VERSION, steps, ({ id }) => cards.get(id) ?? old.get(id)!);
  const reused = (id: string) => {
    const { action, because } = fates.get(id)!;
    return action === 'reuse' && { reused: because === 'skipped' ? because : ('completed' as const) };
  };
  return {
    ...outline,
    steps: outline.steps.map((step) => ({ ...step, ...reused(step.id) })),
    ...(answer && { answer }),
  };
}

/**
 * The run that first meant to make a step's effect. A step that completed and is run again is meant anew. One that did not may have made
 * its effect all the same, and is to find it: always in a restart; in a fork only where a call is on record, since two forks of a run make
 * effects of their own.
 */
function scopeOf(
  was: RepeatedStep | undefined,
  isReused: boolean,
  type: Asked['type'],
  run_id: string,
): string {
  if (was === undefined) return run_id;
  const isOpen = was.status !== 'completed' && (type === 'restart' || was.has_effect);
  return isReused || isOpen ? was.effect_scope : run_id;
}

/** In the order in which they ended; those that ended together in the order of the plan. */
function byEnd(one: RepeatedStep, other: RepeatedStep): number {
  return (one.finished_at_us ?? 0) - (other.finished_at_us ?? 0);
}

function factOf(run_id: string, step: RepeatedStep): NewEvent {
  const { id: step_id, status, status_reason, duration_ms } = step;
  const ref = { run_id, plan_version: VERSION, step_id };
  if (status === 'skipped') return skippedEvent(ref, status_reason ?? '');
  const data = { duration_ms: duration_ms ?? 0, reused: true };
  return { key: keyOf(ref, 'ended'), step_id, type: 'step.completed', data };
}
