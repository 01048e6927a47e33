import { z } from 'zod';
import { Spending } from './model';
import { Failure } from './problem';
import { PlanView, VerdictView } from './round-views';
import { RUN_STATUSES } from './run-status';

const range = (unit: z.ZodNumber) => z.strictObject({ least: unit, most: unit });
const count = z.number().int().min(0);

/** What carrying a plan out may take and cost. Ranges, because nobody knows what tools and models will say. */
export const PlanEstimate = z
  .strictObject({
    critical_path: z
      .array(z.string())
      .meta({ description: 'The steps that decide how long it takes, in their order.' }),
    duration_s: range(z.number().min(0)).meta({
      description:
        'Along the critical path: from what the tools took lately (nothing, for one never used) to the limits of one try each.',
    }),
    model_calls: range(count),
    tokens: range(count),
    cost_usd: range(z.number().min(0)).nullable().meta({ description: 'null when a price is unknown.' }),
  })
  .meta({ id: 'PlanEstimate' });
export type PlanEstimate = z.infer<typeof PlanEstimate>;

/** What `POST /v1/plans` gives: the last plan of a run that carries nothing out. */
export const PlanDraft = z
  .strictObject({
    object: z.literal('plan_draft'),
    run_id: z.string(),
    status: z.enum(RUN_STATUSES),
    /** With its findings and its hash; its `steps` may be handed in as `plan` of a run. */
    plan: PlanView.nullable(),
    verdict: VerdictView.nullable(),
    error: Failure.nullable(),
    /** null where there is no plan that could be carried out. */
    estimate: PlanEstimate.nullable(),
    /** What planning and judging have cost. */
    usage: Spending,
  })
  .meta({ id: 'PlanDraft' });
export type PlanDraft = z.infer<typeof PlanDraft>;
