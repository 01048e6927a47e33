import type { Failure } from './failure';
import type { Finding, PlanDiff, PlanSource, Step } from './plan';
import type { Degraded, Purpose, Spending, Usage } from './model';
import type { Origin } from './origin';
import type { RunStatus } from './run-status';
import type { Elsewhere } from './elsewhere';
import type { TimeLimit } from './ending';
import type { Verdict } from './verdict';

/** The catalogue of events: facts in the past tense, with the data each carries. Additive changes only: old events are kept for ever. */
export interface EventData {
  'run.created': {
    run: {
      id: string;
      goal: string;
      user: string | null;
      status: RunStatus;
      created_at: string;
      /** Of a restart or a fork: what it comes from. */
      origin?: Origin;
    };
  };
  'run.status': { status: RunStatus; phase: string | null; previous: RunStatus; reason?: string };
  'run.completed': { answer: string | null };
  'run.failed': { failure: Failure };
  'run.cancelled': { reason: string | null; actor: string };
  'run.timed_out': { limit: TimeLimit };
  'run.usage': {
    delta: Usage & { purpose: Purpose; round: number; model: string; cost_usd: number | null };
    total: Spending;
  };
  'run.budget_warning': { kind: 'max_tokens' | 'max_cost_usd'; used: number; limit: number };
  'run.reopened': { attempt: number; actor: string };
  'plan.started': { round: number; source: PlanSource };
  'plan.step_drafted': { round: number; step: Step };
  'plan.created': {
    version: number;
    source: PlanSource;
    steps: Step[];
    edges: [from: string, to: string][];
    /** Against the plan before it, where there is one. */
    diff?: PlanDiff;
  };
  'plan.rejected': { version: number; findings: Finding[] };
  'judge.started': { plan_version: number };
  'judge.verdict': Verdict & {
    plan_version: number;
    accepted: boolean;
    threshold: number;
    /** Accepted though rejected: it was the last round, and the rules of the run say to carry it out all the same. */
    exhausted?: true;
    degraded?: Degraded;
  };
  /** The input itself, or where it is read when it is large. */
  'step.started': { tool: string; version: string; attempt: number; input?: unknown; input_ref?: Elsewhere };
  'step.progress': { attempt: number; ratio?: number; message?: string };
  'step.needs_attention': {
    attempt: number;
    /** What a person is asked. */
    question: string;
    /** Why it is not known. */
    failure: Failure;
  };
  'step.resolved': { outcome: 'done' | 'not_done'; actor: string; reason: string };
  'step.retrying': { attempt: number; next_at: string; failure: Failure };
  /** The output itself, or where it is read when it is large. `reused`: it was there before, and no tool was called for it. */
  'step.completed': { output?: unknown; output_ref?: Elsewhere; duration_ms: number; reused: boolean };
  'step.failed': { failure: Failure; attempts: number };
  'step.skipped': { reason: string };
  'step.cancelled': { reason: string };
  'generation.started': { model: string };
  'generation.delta': { text: string; attempt: number };
  'output.reset': { attempt: number };
  'generation.completed': { text: string; degraded?: Degraded };
}
export type EventType = keyof EventData;

/** The four that end an attempt of a run; each attempt has at most one, and only `run.reopened` may follow. */
export const TERMINAL_EVENTS = ['run.completed', 'run.failed', 'run.cancelled', 'run.timed_out'] as const;

/** A stored event, the same on every wire. `seq` counts 1, 2, 3 … per run without gaps. */
export interface RunEvent<T extends EventType = EventType> {
  id: string;
  seq: number;
  type: T;
  run_id: string;
  /** Attempt of the run, from 1. */
  attempt: number;
  /** RFC 3339, UTC. */
  time: string;
  v: 1;
  step_id?: string;
  data: EventData[T];
}
