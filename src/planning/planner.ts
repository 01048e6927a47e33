import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { ToolCard } from '../contracts/tool';
import type { Verdict } from '../contracts/verdict';

/** What a planner is asked. `feedback` holds why earlier plans of this run were not taken, oldest first. */
export interface PlanRequest {
  goal: string;
  tools: ToolCard[];
  max_steps: number;
  feedback: { findings?: Finding[]; verdict?: Verdict }[];
}

/** A drafted plan, or the refusal to guess: what was not understood and what can be done instead. */
export type Draft = { kind: 'plan'; steps: Step[] } | { kind: 'not_understood'; detail: string };

/** The port of a planner. */
export interface Planner {
  readonly source: PlanSource;
  draft(request: PlanRequest): Promise<Draft>;
}
