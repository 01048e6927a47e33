import { z } from 'zod';
import { GivenPlan } from './plan';
import type { Failure } from './failure';
import { RUN_STATUSES } from './run-status';

/** Longest goal, characters. */
export const MAX_GOAL_CHARS = 32_000;

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
  budget: z
    .strictObject({
      max_steps: z.number().int().min(1).optional(),
      max_duration_s: z.number().int().min(1).optional(),
    })
    .optional(),
  metadata: z
    .record(z.string().min(1).max(64), z.string().max(512))
    .refine((metadata) => Object.keys(metadata).length <= 16, 'has more than 16 keys')
    .optional(),
  tags: z.array(z.string().min(1).max(64)).max(16).optional(),
});
export type SubmitRun = z.infer<typeof SubmitRun>;

/** Body of `POST /v1/runs/{id}/cancel`. */
export const CancelRun = z.strictObject({ reason: z.string().min(1).max(500).optional() });

/** A run as clients see it. Times are RFC 3339 UTC. */
export const Run = z.strictObject({
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
  goal: z.string(),
  user: z.string().nullable(),
  answer: z.string().nullable(),
  error: z.custom<Failure>().nullable(),
  progress: z.strictObject({
    steps_total: z.number().int(),
    steps_done: z.number().int(),
    plan_version: z.number().int().nullable(),
    rounds: z.number().int(),
  }),
  budget: z.strictObject({ max_steps: z.number().int(), max_duration_s: z.number().int() }),
  attempt: z.number().int(),
  origin: z.strictObject({ type: z.string(), run_id: z.string().nullable(), from: z.string().nullable() }),
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
});
export type Run = z.infer<typeof Run>;
