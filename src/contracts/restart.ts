import { z } from 'zod';
import { TIERS } from './model';
import { Origin } from './origin';
import { GivenPlan } from './plan';
import { MAX_GOAL_CHARS } from './run';
import { STEP_STATUSES } from './run-status';

const Reason = z.string().min(1).max(500);
/** A step of the run; whether there is such a step is looked up, not parsed. */
const StepName = z.string().min(1).max(200);

/** Body of `POST /v1/runs/{id}/restart`. */
export const RestartRun = z.strictObject({
  /** `failed` (when absent): what did not complete. `start`: every step of the plan. The id of a step: that one. */
  from: StepName.optional(),
  reason: Reason.optional(),
});
export type RestartRun = z.infer<typeof RestartRun>;

/** Body of `POST /v1/runs/{id}/fork`: a restart with edits. */
export const ForkRun = z
  .strictObject({
    /** `start`: all anew, with a new plan where none is given. The id of a step: from that one on. */
    at: StepName,
    /** Needs `at: "start"`: another goal needs another plan. */
    goal: z
      .string()
      .max(MAX_GOAL_CHARS)
      .refine((goal) => goal.trim() !== '', 'must say something')
      .optional(),
    /** Another input of the step that `at` names. */
    step_input: z.record(z.string(), z.unknown()).optional(),
    /** Another plan; its steps that are as they were, and depend on none that is not, are taken over unless `at` is `start`. */
    plan: GivenPlan.optional(),
    /** The tier of models that plans and answers. */
    model: z.enum(TIERS).optional(),
    reason: Reason.optional(),
  })
  .refine(({ at, goal }) => goal === undefined || at === 'start', {
    path: ['goal'],
    error: 'needs `at: "start"`: another goal needs another plan',
  })
  .refine(({ at, step_input, plan }) => step_input === undefined || (at !== 'start' && plan === undefined), {
    path: ['step_input'],
    error: 'needs the id of a step as `at`, and no `plan`, which holds inputs of its own',
  });
export type ForkRun = z.infer<typeof ForkRun>;

/** Body of `POST /v1/runs/{id}/steps/{step}/resolve`. */
export const ResolveStep = z
  .strictObject({
    /** `done`: the effect happened, the step completes. `not_done`: it did not, the tool is called again. */
    outcome: z.enum(['done', 'not_done']),
    /** What the tool would have returned; null when absent. Only with `done`. */
    output: z.unknown().optional(),
    reason: Reason,
  })
  .refine(({ outcome, output }) => outcome === 'done' || output === undefined, {
    path: ['output'],
    error: 'can only be given with `done`',
  });
export type ResolveStep = z.infer<typeof ResolveStep>;

/** What a restart, or a fork, would do: the reply to `?dry_run=true`. */
export const Rerun = z
  .strictObject({
    object: z.literal('rerun'),
    origin: Origin,
    planning: z
      .enum(['reused', 'given', 'again'])
      .meta({ description: 'Whether the plan is taken over, given, or drafted anew.' }),
    steps: z.array(
      z.strictObject({
        id: z.string(),
        tool: z.string(),
        tool_version: z
          .string()
          .nullable()
          .meta({ description: 'The one it ran with, or would run with; null where that is gone.' }),
        action: z.enum(['reuse', 'run']),
        because: z.enum(['completed', 'skipped', 'chosen', 'not_completed', 'changed', 'depends']).meta({
          description:
            '`completed`, `skipped`: how it ended, which holds. `depends`: a step it needs is run.',
        }),
        last_status: z.enum(STEP_STATUSES).nullable(),
        last_duration_ms: z.number().int().nullable(),
      }),
    ),
    missing: z
      .array(
        z.strictObject({
          step_id: z.string(),
          tool: z.string(),
          version: z.string().nullable().meta({ description: 'null: none would do.' }),
          detail: z.string(),
        }),
      )
      .meta({ description: 'Tools, or versions of them, that are gone: without them it is refused.' }),
    last: z
      .strictObject({
        duration_ms: z.number().int(),
        model_calls: z.number().int(),
        tokens: z.number().int(),
        cost_usd: z.number().nullable(),
      })
      .meta({ description: 'What the steps and model calls that would be repeated cost last time.' }),
  })
  .meta({ id: 'Rerun' });
export type Rerun = z.infer<typeof Rerun>;
