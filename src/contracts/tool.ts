/**
 * Effect class of a tool: how its effects are made safe when a step is tried again.
 *
 *   pure            none: try freely, the first stored output wins
 *   transactional   in our Postgres, in one transaction with the checkpoint; built-in tools only
 *   idempotent      elsewhere, where the same `idempotency_key` takes effect once: tried again with the same key
 *   unsafe          elsewhere, without that: called at most once; whether it took effect is asked of a person where it is not known
 */
export const TOOL_EFFECTS = ['pure', 'transactional', 'idempotent', 'unsafe'] as const;
export type ToolEffect = (typeof TOOL_EFFECTS)[number];

/** What is known of an effect that a step makes elsewhere. */
export const EFFECT_STATUSES = ['started', 'done', 'unknown'] as const;

/** Where a step runs: `instant` ends within a second, on the `runs` worker; `tools` is an activity of its own with heartbeats. */
export const TOOL_LANES = ['instant', 'tools'] as const;
export type ToolLane = (typeof TOOL_LANES)[number];

/** A tool as planners, judges and readers see it: data, without the code. */
export interface ToolCard {
  /** `calculator`, `todo.add`: lower case, dots between noun and verb. */
  name: string;
  version: string;
  description: string;
  effect: ToolEffect;
  lane: ToolLane;
  /** JSON Schema (draft 2020-12) of the input, an object. */
  input_schema: Record<string, unknown>;
  /** The same of what it returns; anything, when absent. */
  output_schema?: Record<string, unknown>;
  /** Limit of one try, seconds. */
  timeout_s: number;
  /** Tries that the tool gets for one step, counted in Postgres. */
  max_attempts: number;
  /** Names or codes of the errors it throws after which another try is of no use; none, when absent. */
  non_retryable?: string[];
}
