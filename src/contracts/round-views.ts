import { z } from 'zod';
import { listOf } from './list';
import { Finding, PLAN_SOURCES, Step } from './plan';
import { Failure } from './problem';
import { STEP_STATUSES } from './run-status';
import { EFFECT_STATUSES, TOOL_EFFECTS, TOOL_LANES } from './tool';
import { Verdict } from './verdict';

/** A plan of a run as clients see it: what was drafted in a round, and what became of it. */
export const PlanView = z
  .strictObject({
    object: z.literal('plan'),
    run_id: z.string(),
    version: z.number().int().min(1),
    source: z.enum(PLAN_SOURCES),
    steps: z.array(Step),
    edges: z
      .array(z.tuple([z.string(), z.string()]))
      .meta({ description: 'Which step another one waits for: pairs of ids, from and to.' }),
    findings: z.array(Finding),
    failure: Failure.nullable(),
    content_hash: z
      .string()
      .nullable()
      .meta({ description: 'SHA-256 of the steps, the same for the same plan.' }),
    accepted: z
      .boolean()
      .nullable()
      .meta({ description: 'null while it is not judged; given plans, and those of restarts, are not.' }),
    created_at: z.string(),
  })
  .meta({ id: 'Plan' });
export type PlanView = z.infer<typeof PlanView>;
export const PlanList = listOf(PlanView).meta({ id: 'PlanList' });

/** A step of a run as clients see it. */
export const StepView = z
  .strictObject({
    object: z.literal('step'),
    id: z.string(),
    run_id: z.string(),
    plan_version: z.number().int(),
    position: z.number().int(),
    title: z.string().nullable(),
    tool: z.string(),
    tool_version: z.string(),
    lane: z.enum(TOOL_LANES),
    effect: z.enum(TOOL_EFFECTS),
    effect_status: z.enum(EFFECT_STATUSES).nullable().meta({
      description: '`started`: a call is under way, or was cut off; `unknown`: only a person can say.',
    }),
    needs: z.array(z.string()),
    status: z.enum(STEP_STATUSES),
    status_reason: z.string().nullable(),
    input: z.unknown().meta({ description: 'Filled in; null where the step never started.' }),
    output: z.unknown(),
    failure: Failure.nullable(),
    tries: z.number().int().meta({ description: 'Tries that ended in a failure.' }),
    reused: z.boolean(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    duration_ms: z.number().int().nullable(),
  })
  .meta({ id: 'Step' });
export type StepView = z.infer<typeof StepView>;
export const StepList = listOf(StepView).meta({ id: 'StepList' });

/** What the judge said of a plan. */
export const VerdictView = Verdict.extend({
  object: z.literal('verdict'),
  run_id: z.string(),
  plan_version: z.number().int(),
  accepted: z.boolean(),
  threshold: z.number(),
  judged_by: z.string().nullable(),
  judged_at: z.string().nullable(),
}).meta({ id: 'Verdict' });
export type VerdictView = z.infer<typeof VerdictView>;
export const VerdictList = listOf(VerdictView).meta({ id: 'VerdictList' });
