import type { Step } from '../contracts/plan';
import type { PlanEstimate } from '../contracts/plan-estimate';
import type { ToolCard } from '../contracts/tool';
import { edgesOf } from './outline';
import { longestPath } from './plan-graph';

/** Bytes a token has in English, about; for the least that a text may cost. */
const BYTES_A_TOKEN = 4;

/** What a model call costs at most, and how long it may take. */
export interface AnswerForecast {
  /** Bytes that are the same whatever the steps give: the prompt and the goal. */
  fixed_bytes: number;
  /** Tokens, and money (null: a price is unknown), for so many steps at most. */
  most(steps: number): { tokens: number; cost_usd: number | null };
  /** Limit of one call, seconds. */
  timeout_s: number;
}

/** How a plan is to be carried out. */
export interface Forecast {
  toolOf(step: Step): Pick<ToolCard, 'timeout_s'>;
  /** Median of what the tool took lately, seconds; undefined where it was not used. */
  seen_s(tool: string): number | undefined;
  /** null: the answer is written without a model. */
  answer: AnswerForecast | null;
}

/** What a checked plan may take and cost, without retries. */
export function estimatePlan(steps: readonly Step[], { toolOf, seen_s, answer }: Forecast): PlanEstimate {
  const ids = steps.map(({ id }) => id);
  const edges = edgesOf(steps);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const limit_s = (id: string) => toolOf(byId.get(id)!).timeout_s;
  const median_s = (id: string) => seen_s(byId.get(id)!.tool);
  const along = (weight: (id: string) => number) => longestPath(ids, edges, weight);
  const most = answer?.most(steps.length) ?? { tokens: 0, cost_usd: 0 };
  const calls = answer === null ? 0 : 1;
  return {
    critical_path: along((id) => median_s(id) ?? limit_s(id)).ids,
    duration_s: {
      least: along((id) => median_s(id) ?? 0).length,
      most: along(limit_s).length + (answer?.timeout_s ?? 0),
    },
    model_calls: { least: calls, most: calls },
    tokens: { least: Math.floor((answer?.fixed_bytes ?? 0) / BYTES_A_TOKEN), most: most.tokens },
    cost_usd: most.cost_usd === null ? null : { least: 0, most: most.cost_usd },
  };
}
