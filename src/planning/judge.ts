import type { Step } from '../contracts/plan';
import type { ToolCard } from '../contracts/tool';
import type { Verdict } from '../contracts/verdict';

/** The port of a judge: decides whether a plan does what the goal asks, all of it and nothing else. */
export interface Judge {
  /** Names the judge in events and logs. */
  readonly name: string;
  /** Whether it answers at once and costs nothing: then a plan is judged where it is drafted. */
  readonly instant: boolean;
  judge(request: { goal: string; steps: Step[]; tools: ToolCard[] }): Promise<Verdict>;
}
