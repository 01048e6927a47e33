import { Refusal, type RefusedPart } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { AnswerForecast } from '../planning/estimate';

/** What a model's answer to a goal may cost; null where there is no model. */
export type ForecastAnswer = (goal: string) => Pick<AnswerForecast, 'most'> | null;

/**
 * Refuses a run whose plan is there already, and whose budget, or that of the day of its key, can pay for no answer: its steps would be
 * carried out for nothing. A call is held back with its worst case, so the least of those is what has to fit.
 * @param forecast of the model that is to answer; null where none is
 * @throws Refusal `invalid_request` that names the budgets as a submit does
 */
export function refuseUnpaidAnswer(
  forecast: ReturnType<ForecastAnswer>,
  { mode, max_tokens, max_cost_usd, day }: Rules,
): void {
  if (forecast === null || mode === 'plan_only') return;
  const { tokens, cost_usd } = forecast.most(0);
  const parts: RefusedPart[] = [];
  if (max_tokens !== undefined && max_tokens < tokens)
    parts.push({ pointer: '/budget/max_tokens', code: 'too_small', detail: `must be at least ${tokens}` });
  for (const [pointer, most, whose] of [
    ['/budget/max_cost_usd', max_cost_usd, ''],
    // No field of the request says it.
    ['', day?.max_cost_usd, "the key's budget of a day "],
  ] as const) {
    if (most === undefined) continue;
    if (cost_usd === null) parts.push({ pointer, code: 'price_unknown', detail: 'a model has no price' });
    else if (most < cost_usd)
      parts.push({ pointer, code: 'too_small', detail: `${whose}must be at least ${cost_usd}` });
  }
  if (parts.length > 0)
    throw new Refusal('invalid_request', 'The budget does not allow a model to write the answer.', parts);
}
