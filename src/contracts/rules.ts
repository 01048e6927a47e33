import type { Tier } from './model';

/** What is asked for: the answer, or the plan alone. */
export const RUN_MODES = ['auto', 'plan_only'] as const;
export type RunMode = (typeof RUN_MODES)[number];

/** The rules of a run: limits and thresholds it began with and keeps, whatever the settings are later. */
export interface Rules {
  /** `auto` when absent. */
  mode?: RunMode;
  /** Steps of a plan. */
  max_steps: number;
  /** Slow steps in flight at once; instant ones, which are carried out one after another, take no room. */
  max_parallel_steps: number;
  /** Size of one step's filled-in input, bytes of JSON. */
  max_input_bytes: number;
  /** Size of one step's output, bytes of JSON. */
  max_output_bytes: number;
  /** Confidence above which a valid plan is accepted. */
  judge_threshold: number;
  /** Plans drawn again after a rejected one. */
  max_replans: number;
  /** Whether plans of models are judged; `true` when absent. */
  judge_enabled?: boolean;
  /** What becomes of the last plan when it is rejected too: the run fails (when absent), or carries it out all the same. */
  on_exhausted?: 'fail' | 'run';
  /** Tokens that its model calls may cost, input and output; no limit when absent. */
  max_tokens?: number;
  /** The same in USD. */
  max_cost_usd?: number;
  /** What all runs of its key together may cost a day (UTC), USD; no limit when absent. */
  day?: { key_id: string; max_cost_usd: number };
  /** The tier of models that plans and answers, where a fork says so. */
  tier?: Tier;
  /** Time a run may take from its submission, seconds; what it waits for people does not count. */
  max_duration_s: number;
  /** Time a run may wait for one answer of a person, seconds; a week when absent. */
  max_wait_s?: number;
}
