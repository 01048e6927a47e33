import type { Outline } from '../contracts/outline';
import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { Failure } from '../contracts/failure';
import type { ToolCard } from '../contracts/tool';
import type { Verdict } from '../contracts/verdict';
import type { Tx } from './tx';

/** A round: one plan and what became of it. */
export interface PlanRow {
  version: number;
  source: PlanSource;
  steps: Step[];
  /** Null when the plan check rejected the plan or none could be drafted. */
  outline: Outline | null;
  findings: Finding[];
  failure: Failure | null;
  verdict: Verdict | null;
  accepted: boolean | null;
  /** Attempt of the run in which it was drafted. */
  attempt: number;
}

/** All rounds of a run, oldest first. */
export function readPlans(db: Tx, run_id: string): Promise<PlanRow[]> {
  return db.query<PlanRow>(
    `select version, source, steps, outline, findings, failure, verdict, accepted, attempt
     from plans where run_id = $1 order by version`,
    [run_id],
  );
}

export interface NewPlan {
  run_id: string;
  version: number;
  source: PlanSource;
  steps: Step[];
  outline: Outline | null;
  findings: Finding[];
  failure: Failure | null;
  content_hash: string;
  attempt: number;
  execution: string;
}

/**
 * Stores the outcome of a round, unless one is stored that still counts: only a failure of an older attempt of the run is written over.
 * @returns whether it was stored now.
 */
export async function insertPlan(tx: Tx, plan: NewPlan): Promise<boolean> {
  const rows = await tx.query(
    `insert into plans (run_id, tenant, version, source, steps, outline, findings, failure, content_hash, attempt, execution)
     values ($1, (select tenant from runs where id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (run_id, version) do update
       set source = excluded.source, steps = excluded.steps, outline = excluded.outline, findings = excluded.findings,
         failure = excluded.failure, content_hash = excluded.content_hash, attempt = excluded.attempt, execution = excluded.execution
       where plans.failure is not null and plans.attempt < excluded.attempt
     returning version`,
    [
      plan.run_id,
      plan.version,
      plan.source,
      JSON.stringify(plan.steps),
      plan.outline === null ? null : JSON.stringify(plan.outline),
      JSON.stringify(plan.findings),
      plan.failure === null ? null : JSON.stringify(plan.failure),
      plan.content_hash,
      plan.attempt,
      plan.execution,
    ],
  );
  return rows.length > 0;
}

/** Stores what the judge said, once. @returns whether it was stored now. */
export async function storeVerdict(
  tx: Tx,
  round: { run_id: string; version: number },
  decision: { verdict: Verdict; accepted: boolean; judged_by: string },
): Promise<boolean> {
  const rows = await tx.query(
    `update plans set verdict = $3, accepted = $4, judged_by = $5, judged_at = now()
     where run_id = $1 and version = $2 and verdict is null returning version`,
    [round.run_id, round.version, JSON.stringify(decision.verdict), decision.accepted, decision.judged_by],
  );
  return rows.length > 0;
}

/** Makes a pending row for every step of a plan that will be carried out. */
export async function insertSteps(
  tx: Tx,
  plan: { run_id: string; outline: Outline; steps: Step[]; attempt: number },
  toolOf: (step: Step) => ToolCard,
): Promise<void> {
  const needs = new Map(plan.outline.steps.map((step) => [step.id, step.needs]));
  const rows = plan.steps.map((step, position) => {
    const { version, lane, effect } = toolOf(step);
    return {
      id: step.id,
      position,
      title: step.title ?? null,
      tool: step.tool,
      tool_version: version,
      lane,
      effect,
      spec: step,
      needs: needs.get(step.id),
    };
  });
  await tx.query(
    `insert into steps (run_id, tenant, plan_version, attempt, effect_scope, id, position, title, tool, tool_version, lane, effect, spec, needs)
     select r.id, r.tenant, $2, $3, r.id, s.id, s.position, s.title, s.tool, s.tool_version, s.lane, s.effect, s.spec, s.needs
     from runs r, jsonb_to_recordset($4) as s (id text, position integer, title text, tool text, tool_version text, lane text, effect text,
       spec jsonb, needs text[])
     where r.id = $1`,
    [plan.run_id, plan.outline.plan_version, plan.attempt, JSON.stringify(rows)],
  );
}
