import { z } from 'zod';
import { Condition } from './condition';

/** Ids of steps; a reference `{id.path}` is only one when its id matches this rule. */
export const STEP_ID = /^[a-z][a-z0-9_]{0,63}$/;

/** One item of a plan. `input` may hold references to outputs of earlier steps. */
export const Step = z
  .strictObject({
    /** Any text here: `plan-check` reports ids that break the rule together with everything else it finds. */
    id: z.string().min(1).max(200),
    tool: z.string().min(1).max(200),
    /** Version of the tool; the newest when absent. */
    version: z.string().min(1).max(50).optional(),
    title: z.string().min(1).max(200).optional(),
    input: z.record(z.string(), z.unknown()).default({}),
    /** Steps that must have ended before this one, beyond those its input and condition refer to. */
    needs: z.array(z.string().min(1).max(200)).max(100).optional(),
    when: Condition.optional(),
    /** `all` (default): skipped when a step it needs was not completed. `any`: goes on when at least one was. */
    join: z.enum(['all', 'any']).optional(),
    /** `stop` (default): its failure fails the run. `continue`: only what needs it is skipped. */
    on_failure: z.enum(['stop', 'continue']).optional(),
  })
  .meta({ id: 'PlanStep' });
export type Step = z.infer<typeof Step>;

/** Steps of a list, at most: the rules of a run allow 500. */
export const MAX_STEPS = 1_000;
/** Wrong steps of a list that are told; each may be wrong in a hundred ways. */
const MAX_WRONG_STEPS = 20;

/** A list of steps in this form that is read up to where enough is wrong. */
export function listOfSteps<T>(step: z.ZodType<T>) {
  const upToWrong = (steps: unknown) => {
    if (!Array.isArray(steps) || steps.length > MAX_STEPS) return steps;
    let wrong = 0;
    const last = steps.findIndex((one) => {
      if (!step.validate(one)) wrong += 1;
      return wrong === MAX_WRONG_STEPS;
    });
    return last === -1 ? steps : steps.slice(0, last + 1);
  };
  return z.preprocess(upToWrong, z.array(step).max(MAX_STEPS));
}

/** A plan handed in by a client. More steps than the rules allow are reported by `plan-check`, not here. */
export const GivenPlan = z.strictObject({ steps: listOfSteps(Step) });
export type GivenPlan = z.infer<typeof GivenPlan>;

export const PLAN_SOURCES = ['pattern', 'given', 'model', 'restart'] as const;
export type PlanSource = (typeof PLAN_SOURCES)[number];

export const FINDING_CODES = [
  'empty_plan',
  'too_many_steps',
  'invalid_id',
  'duplicate_id',
  'unknown_tool',
  'unknown_version',
  'invalid_input',
  'input_too_large',
  'unknown_reference',
  'invalid_condition',
  'cycle',
  'outline_too_large',
] as const;

/** What `plan-check` found: a code, where (JSON pointer into the plan, `/steps/1/input/text`), a sentence. */
export const Finding = z.object({
  code: z.enum(FINDING_CODES),
  pointer: z.string(),
  detail: z.string(),
});
export type Finding = z.infer<typeof Finding>;

/** What a redrawn plan changed: ids of steps. */
export interface PlanDiff {
  added: string[];
  removed: string[];
  changed: string[];
}
