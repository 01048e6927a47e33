import type { ToolLane } from './tool';

/** What the workflow knows of one step: enough to schedule it, nothing to read. At most 150 bytes. */
export interface OutlineStep {
  id: string;
  /** Steps that must have ended first: from references, `needs` and `when`, without doubles. */
  needs: string[];
  join: 'all' | 'any';
  on_failure: 'stop' | 'continue';
  lane: ToolLane;
  /** Limit of one try of the tool, seconds. */
  timeout_s: number;
  /** How it ended in the run it was taken over from; absent where it is carried out. */
  reused?: 'completed' | 'skipped';
}

/** All of a plan that the workflow knows. At most 64 KB. */
export interface Outline {
  plan_version: number;
  steps: OutlineStep[];
  /** Who writes the answer: a template, as instant work, when absent; or a model. */
  answer?: 'llm';
}
