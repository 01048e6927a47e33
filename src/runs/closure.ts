import type { Rerun } from '../contracts/restart';
import type { StepStatus } from '../contracts/run-status';
import type { Edge } from '../planning/plan-graph';
import { skippedBy } from '../planning/skips';

/** What becomes of a step when its run is repeated, and why. */
export type Fate = Pick<Rerun['steps'][number], 'action' | 'because'>;

/** A plan that is to be carried out after another run has carried it out, or one like it, in part. */
export interface Repetition {
  /** Ids of its steps, in its order. */
  ids: readonly string[];
  edges: readonly Edge[];
  /** How the steps of the other run ended, as far as it counts: one that is not named, or has no outcome, is to be carried out. */
  was: ReadonlyMap<string, StepStatus>;
  /** Steps that are carried out again whatever they came to. */
  chosen: ReadonlySet<string>;
  /** Steps that are not as they were, or new. */
  changed: ReadonlySet<string>;
}

/**
 * What is run again and what is taken over: a step is run again if and only if it is chosen, is not as it was, came to nothing that can be
 * taken over, or something it depends on by edges is run again. So all that a step depends on is taken over where the step is, and a
 * skip is taken over together with what caused it: a false condition, or another skip.
 * @returns by id, of every step of the plan. Total: also where the edges make a cycle.
 */
export function closureOf({ ids, edges, was, chosen, changed }: Repetition): Map<string, Fate> {
  const fates = new Map<string, Fate>();
  for (const id of ids) {
    if (chosen.has(id)) fates.set(id, run('chosen'));
    else if (changed.has(id)) fates.set(id, run('changed'));
    else if (!canBeTakenOver(was.get(id))) fates.set(id, run('not_completed'));
  }
  const next = new Map<string, string[]>(ids.map((id) => [id, []]));
  for (const [from, to] of edges) next.get(from)?.push(to);
  const reached = [...fates.keys()];
  for (let id = reached.pop(); id !== undefined; id = reached.pop()) {
    for (const to of next.get(id)!) {
      if (fates.has(to) || !next.has(to)) continue;
      fates.set(to, run('depends'));
      reached.push(to);
    }
  }
  return new Map(ids.map((id) => [id, fates.get(id) ?? takenOver(was.get(id)!)]));
}

/**
 * Steps that are to be run and cannot: skips that are taken over leave them without their inputs, whatever the steps that are run come to.
 * They end as skipped when the new run is stored, since no step will end later that could skip them.
 */
export function lostBy(fates: ReadonlyMap<string, Fate>, plan: Parameters<typeof skippedBy>[0]): string[] {
  const ended = new Map<string, 'completed' | 'skipped'>();
  for (const [id, { action, because }] of fates) {
    if (action === 'reuse') ended.set(id, because === 'skipped' ? 'skipped' : 'completed');
  }
  return skippedBy(plan, ended);
}

function run(because: Fate['because']): Fate {
  return { action: 'run', because };
}

function takenOver(status: StepStatus): Fate {
  return { action: 'reuse', because: status === 'skipped' ? 'skipped' : 'completed' };
}

function canBeTakenOver(status: StepStatus | undefined): boolean {
  return status === 'completed' || status === 'skipped';
}
