import { Refusal } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { RunBudget } from '../db/runs';

const OF_BUDGET = ['max_steps', 'max_duration_s', 'max_tokens', 'max_cost_usd'] as const;
const SAID = [
  ...OF_BUDGET,
  'mode',
  'tier',
  'judge_enabled',
  'judge_threshold',
  'max_replans',
  'on_exhausted',
] as const;

/** What may be said of the rules of one run; all others are the operator's. */
export type Said = { [Field in (typeof SAID)[number]]?: Rules[Field] | undefined };

/** What may not be more than the operator allows, and where a submit says it. */
const BOUNDED = {
  max_steps: '/budget/max_steps',
  max_duration_s: '/budget/max_duration_s',
  max_replans: '/judge/max_replans',
} as const;
const BOUNDED_FIELDS = Object.keys(BOUNDED) as (keyof typeof BOUNDED)[];

/** What was said of a run that is repeated, or by default held for it. */
export function saidOf({ rules, budget }: { rules: Rules; budget: RunBudget }): Said {
  return pick({ ...rules, ...budget }, SAID);
}

/** @throws Refusal `invalid_request` that names what is more than the rules of today allow */
export function refuseBeyond(said: Said, today: Rules): void {
  const parts = BOUNDED_FIELDS.filter((field) => (said[field] ?? 0) > today[field]).map((field) => ({
    pointer: BOUNDED[field],
    code: 'too_big',
    detail: `must be at most ${today[field]}`,
  }));
  if (parts.length > 0)
    throw new Refusal('invalid_request', 'The request asks for more than is allowed here.', parts);
}

/**
 * The rules of a new run, and its budget, which is a part of them: what is said of it, and all else as it is today. What is said and is
 * more than the rules of today allow is lowered to them: a run that is repeated may have been taken under higher ones.
 * @param day what the key that asks may spend a day; no limit when absent
 */
export function rulesOfRun(
  said: Said,
  { today, day }: { today: Rules; day?: NonNullable<Rules['day']> },
): { rules: Rules; budget: RunBudget } {
  const lowered = (field: keyof typeof BOUNDED) => Math.min(said[field] ?? today[field], today[field]);
  const rules: Rules = {
    ...today,
    ...pick(said, SAID),
    max_steps: lowered('max_steps'),
    max_duration_s: lowered('max_duration_s'),
    max_replans: lowered('max_replans'),
    ...(day && { day }),
  };
  return { rules, budget: pick(rules, OF_BUDGET) };
}

/** Those of the fields that there are. */
function pick<T extends object, K extends keyof T>(of: T, fields: readonly K[]): Picked<T, K> {
  const there = fields.filter((field) => of[field] !== undefined);
  return Object.fromEntries(there.map((field) => [field, of[field]])) as Picked<T, K>;
}
type Picked<T, K extends keyof T> = { [Field in keyof Pick<T, K>]: Exclude<T[Field], undefined> };
