import type { Rules } from '../contracts/rules';

/** Name of the workflow: what the Temporal UI shows as its type. */
export const RUN_WORKFLOW = 'run';

/** The only signal. It says nothing: the workflow asks Postgres what is wished. */
export const LOOK = 'look';

/** The header in which a run's trail (contracts/trail.ts) goes from the start of its workflow to its activities. */
export const TRAIL = 'longhaul-trail';

/** Longest wait for one answer of a person, where the rules of the run say nothing, seconds: a week. */
export const MAX_WAIT_S = 604_800;

/** What a run's workflow is started with. Its workflow id is the run's id. */
export interface RunInput {
  run_id: string;
  rules: Rules;
  /** When the run is to be over, milliseconds since 1970. */
  deadline_at_ms: number;
}

/** Roles of workers; each has its own task queue. */
export type Role = 'runs' | 'llm' | 'tools';

/** The task queue of a role: `longhaul-tools`. */
export function queueOf(prefix: string, role: Role): string {
  return `${prefix}-${role}`;
}

/** The first part of a task queue's name: `longhaul` of `longhaul-runs`. */
export function prefixOf(queue: string): string {
  return queue.slice(0, queue.lastIndexOf('-'));
}
