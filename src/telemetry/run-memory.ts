import { decodeTime } from 'ulid';
import { LRUCache } from 'lru-cache';
import type { Fact } from '../contracts/fact';

/** Runs that a process keeps in mind, at most; a few hundred bytes each. One that is forgotten only lacks its phase's duration. */
const RUNS = 2_000;

/** A fact with what this process knows besides. */
export interface Seen {
  run_id: string;
  fact: Fact;
  /** The tool of the fact's step, where this process has heard of the plan or of the step's start. */
  tool: string | undefined;
  /** The phase that the fact ended, where this process has heard of its beginning. Seconds. */
  phase_over: { phase: string; duration_s: number } | null;
  /** Since the run was submitted, seconds. */
  age_s: number;
}

interface Kept {
  tools: Map<string, string>;
  phase: { name: string; began_ms: number } | null;
}

/** Keeps in mind what later facts of a run do not say again. */
export function createRunMemory(): { see(run_id: string, fact: Fact, now_ms: number): Seen; size(): number } {
  const runs = new LRUCache<string, Kept>({ max: RUNS });
  const keptOf = (run_id: string): Kept => {
    const kept = runs.get(run_id) ?? { tools: new Map(), phase: null };
    runs.set(run_id, kept);
    return kept;
  };
  return {
    size: () => runs.size,
    see(run_id, fact, now_ms) {
      const kept = keptOf(run_id);
      learnTools(kept, fact);
      const seen = {
        run_id,
        fact,
        tool: fact.step_id === undefined ? undefined : kept.tools.get(fact.step_id),
        phase_over: changePhase(kept, fact, now_ms),
        age_s: Math.max(0, now_ms - bornAt(run_id, now_ms)) / 1_000,
      };
      if (isEnd(fact)) runs.delete(run_id);
      return seen;
    },
  };
}

function learnTools({ tools }: Kept, fact: Fact): void {
  if (fact.type === 'plan.created') for (const { id, tool } of fact.data.steps) tools.set(id, tool);
  if (fact.type === 'step.started' && fact.step_id !== undefined) tools.set(fact.step_id, fact.data.tool);
}

function changePhase(kept: Kept, fact: Fact, now_ms: number): Seen['phase_over'] {
  const next = fact.type === 'run.status' ? fact.data.phase : null;
  if (next === null && !isEnd(fact)) return null;
  const { phase } = kept;
  kept.phase = next === null ? null : { name: next, began_ms: now_ms };
  return phase === null ? null : { phase: phase.name, duration_s: (now_ms - phase.began_ms) / 1_000 };
}

function isEnd({ type }: Fact): boolean {
  return (
    type === 'run.completed' || type === 'run.failed' || type === 'run.cancelled' || type === 'run.timed_out'
  );
}

/** When a run was submitted: its id carries it, milliseconds since 1970. */
function bornAt(run_id: string, now_ms: number): number {
  try {
    return decodeTime(run_id.slice(run_id.indexOf('_') + 1));
  } catch {
    return now_ms; // an id that this release did not make
  }
}
