import type { Tier } from '../contracts/model';
import type { Pricing } from '../llm/model';
import type { Prompt } from '../prompts/prompt';
import type { AnswerForecast } from './estimate';
import { largestAnswer } from './model-answer';

/** Says what a model's answer to a goal may cost, before anything is known of what the steps give. */
export function forecastAnswers({
  prices,
  timeout_s,
  ...asked
}: {
  prompt: Prompt;
  tier: Tier;
  prices: Pricing;
  /** Limit of one call, seconds. */
  timeout_s: number;
}): (goal: string) => AnswerForecast {
  return (goal) => ({
    fixed_bytes: Buffer.byteLength(JSON.stringify(largestAnswer(asked, goal, 0).messages)),
    most: (steps) => prices.worstCase(largestAnswer(asked, goal, steps)),
    timeout_s,
  });
}
