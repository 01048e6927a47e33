import { z } from 'zod';
import { Spending } from './model';
import { GivenPlan } from './plan';
import { listOf } from './list';
import { Origin } from './origin';
import { Failure } from './problem';
import { PlanView, StepView, VerdictView } from './round-views';
import { RUN_MODES } from './rules';
import { RUN_STATUSES } from './run-status';

/** Ids of runs. */
export const RUN_ID = /^run_[0-9A-HJKMNP-TV-Z]{26}$/;

/** Longest goal, characters. */
export const MAX_GOAL_CHARS = 32_000;

/** Bounds of what a client may ask for; what it gets is bounded by the rules besides. */
export const MAX_TOKENS = 1_000_000_000;
export const MAX_COST_USD = 100_000;
export const MAX_REPLANS = 10;

/** How many there are is looked at first: each of a hundred thousand could be wrong. */
const Metadata = z.preprocess(
  (metadata, ctx) => {
    const isLarge = typeof metadata === 'object' && Object.keys(metadata ?? {}).length > 16;
    if (isLarge) ctx.addIssue('has more than 16 keys');
    return metadata;
  },
  z.record(z.string().min(1).max(64), z.string().max(512)),
);
const Tags = z
  .array(z.string().min(1).max(64))
  .max(16)
  .transform((tags) => [...new Set(tags)]);

/** Body of `POST /v1/runs`. Fields that are not listed are refused. */
export const SubmitRun = z.strictObject({
  goal: z
    .string()
    .max(MAX_GOAL_CHARS)
    .refine((goal) => goal.trim() !== '', 'must say something'),
  /** A plan to carry out instead of a drafted one. It is checked at once and not judged. */
  plan: GivenPlan.optional(),
  /** Whom the tenant serves: todo lists are kept per user. */
  user: z.string().min(1).max(200).optional(),
  /** `plan_only`: the run ends with its plan; no step is carried out. */
  mode: z.enum(RUN_MODES).optional(),
  budget: z
    .strictObject({
      max_steps: z.number().int().min(1).optional(),
      max_duration_s: z.number().int().min(1).optional(),
      /** Input and output of all model calls together. */
      max_tokens: z.number().int().min(1).max(MAX_TOKENS).optional(),
      /** Money for model calls, USD; 0 allows only models that are free. */
      max_cost_usd: z.number().min(0).max(MAX_COST_USD).optional(),
    })
    .optional(),
  /** How plans of models are judged. Plans that need no model are judged by rules, in any case. */
  judge: z
    .strictObject({
      enabled: z.boolean().optional(),
      /** Confidence above which a valid plan is accepted. */
      threshold: z.number().min(0).max(1).optional(),
      max_replans: z.number().int().min(0).max(MAX_REPLANS).optional(),
      /** What becomes of the last plan when it is rejected too: the run fails, or carries it out all the same. */
      on_exhausted: z.enum(['fail', 'run']).optional(),
    })
    .optional(),
  metadata: Metadata.optional(),
  tags: Tags.optional(),
});
export type SubmitRun = z.infer<typeof SubmitRun>;

/** Body of `POST /v1/runs/{id}/cancel`. */
export const CancelRun = z.strictObject({ reason: z.string().min(1).max(500).optional() });

/** Body of `PATCH /v1/runs/{id}`: what is given replaces what was there. */
export const PatchRun = z
  .strictObject({ metadata: Metadata.optional(), tags: Tags.optional() })
  .refine(({ metadata, tags }) => metadata !== undefined || tags !== undefined, 'changes nothing');
export type PatchRun = z.infer<typeof PatchRun>;

/** What `expand` may add to a run. */
export const EXPANSIONS = ['plan', 'steps', 'verdicts'] as const;
export type Expansion = (typeof EXPANSIONS)[number];

/** A run as clients see it. Times are RFC 3339 UTC. */
export const Run = z
  .strictObject({
    id: z.string(),
    object: z.literal('run'),
    created_at: z.string(),
    updated_at: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    status: z.enum(RUN_STATUSES),
    /** Open-ended, for people only. */
    phase: z.string().nullable(),
    status_reason: z.string().nullable(),
    mode: z.enum(RUN_MODES),
    goal: z.string(),
    user: z.string().nullable(),
    answer: z.string().nullable(),
    error: Failure.nullable(),
    progress: z.strictObject({
      steps_total: z.number().int(),
      steps_done: z.number().int(),
      plan_version: z.number().int().nullable(),
      rounds: z.number().int(),
    }),
    usage: Spending,
    /** Whether rules or a template stood in for a model. */
    degraded: z.boolean(),
    degraded_reason: z.string().nullable(),
    budget: z.strictObject({
      max_steps: z.number().int(),
      max_duration_s: z.number().int(),
      max_tokens: z.number().int().nullable(),
      max_cost_usd: z.number().nullable(),
    }),
    attempt: z.number().int(),
    origin: Origin,
    root_run_id: z.string(),
    superseded_by: z.string().nullable(),
    metadata: z.record(z.string(), z.string()),
    tags: z.array(z.string()),
    /** Number of the newest event. */
    last_seq: z.number().int(),
    /** 32 hexadecimal digits: the trace of the request that submitted it. */
    trace_id: z.string().nullable(),
    temporal: z.strictObject({ namespace: z.string(), workflow_id: z.string(), ui_url: z.string() }),
    urls: z.strictObject({ self: z.string(), events: z.string(), cancel: z.string() }),
    /** Only where `expand` asks for it: the plan that is carried out, or the newest one. */
    plan: PlanView.nullable().optional(),
    /** Only where `expand` asks for it: the steps of that plan. */
    steps: z.array(StepView).optional(),
    /** Only where `expand` asks for it: what the judge said, round by round. */
    verdicts: z.array(VerdictView).optional(),
  })
  .meta({ id: 'Run' });
export type Run = z.infer<typeof Run>;

/** A page of runs. `first_id` and `last_id` are the cursors for `before` and `after`. */
export const RunList = listOf(Run).meta({ id: 'RunList' });
