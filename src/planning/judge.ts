import type { Step } from '../contracts/plan';
import type { ToolCard } from '../contracts/tool';
import type { Ask } from '../llm/ask';

/** What a judge is asked. */
export interface JudgeRequest {
  goal: string;
  steps: Step[];
  tools: ToolCard[];
}

/** The port of a judge: decides whether a plan does what the goal asks, all of it and nothing else. One that asks no model leaves `ask` alone. */
export interface Judge {
  /** Names the judge in events and logs. */
  readonly name: string;
  /** Whether it answers at once and costs nothing: then a plan is judged where it is drafted. */
  readonly instant: boolean;
  /** @returns its verdict, to be parsed: what does not parse counts as rejected. @throws what `ask` throws. */
  judge(request: JudgeRequest, ask: Ask): Promise<unknown>;
}
