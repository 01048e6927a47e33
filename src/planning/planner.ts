import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { Tier } from '../contracts/model';
import type { ToolCard } from '../contracts/tool';
import type { Verdict } from '../contracts/verdict';
import type { Ask } from '../llm/ask';

/** What a planner is asked. `feedback` holds why earlier plans of this run were not taken, oldest first. */
export interface PlanRequest {
  goal: string;
  tools: ToolCard[];
  max_steps: number;
  /** Of the model that is to plan, where the run says so. */
  tier?: Tier;
  feedback: { steps?: Step[]; findings?: Finding[]; verdict?: Verdict }[];
}

/** How a planner that asks a model does so, and shows what it drafts while it drafts it. */
export interface Drafting {
  ask: Ask;
  /** A step as soon as it is whole. It is not checked yet. */
  onStep(step: Step): void;
  /** What was shown does not count: the plan is drawn again. */
  onReset(): void;
}

/** A drafted plan, or the refusal to guess: what was not understood and what can be done instead. */
export type Draft = { kind: 'plan'; steps: Step[] } | { kind: 'not_understood'; detail: string };

/** The port of a planner. One that asks no model leaves `drafting` alone. */
export interface Planner {
  readonly source: PlanSource;
  /** @throws Refusal `reply_unreadable` when the model's reply cannot be read as a plan, and what `ask` throws. */
  draft(request: PlanRequest, drafting: Drafting): Promise<Draft>;
}
