import type { Tier } from '../contracts/model';
import type { Rules } from '../contracts/rules';
import type { RunBudget } from '../db/runs';

/** What may differ from the run that is repeated. */
export interface RulesNow {
  /** Of new runs. */
  today: Rules;
  /** What the key of the caller may spend a day; no limit when absent. */
  day?: NonNullable<Rules['day']>;
  /** Of a fork that names one. */
  tier?: Tier;
}

/**
 * The rules of a run that repeats another one: what its client said of it holds, and the operator's limits are those of today, which
 * may have become narrower than what the client was given.
 */
export function rulesOfRerun(
  { rules, budget }: { rules: Rules; budget: RunBudget },
  { today, day, tier = rules.tier }: RulesNow,
): { rules: Rules; budget: RunBudget } {
  const bounded = {
    max_steps: Math.min(budget.max_steps, today.max_steps),
    max_duration_s: Math.min(budget.max_duration_s, today.max_duration_s),
  };
  const { mode, judge_threshold, judge_enabled, on_exhausted, max_tokens, max_cost_usd } = rules;
  return {
    budget: { ...budget, ...bounded },
    rules: {
      ...today,
      ...bounded,
      judge_threshold,
      max_replans: Math.min(rules.max_replans, today.max_replans),
      ...(mode !== undefined && { mode }),
      ...(judge_enabled !== undefined && { judge_enabled }),
      ...(on_exhausted !== undefined && { on_exhausted }),
      ...(max_tokens !== undefined && { max_tokens }),
      ...(max_cost_usd !== undefined && { max_cost_usd }),
      ...(tier !== undefined && { tier }),
      ...(day !== undefined && { day }),
    },
  };
}
