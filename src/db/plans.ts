import type { Outline } from '../contracts/outline';
import type { Finding, PlanSource, Step } from '../contracts/plan';
import type { Failure } from '../contracts/failure';
import type { ToolCard } from '../contracts/tool';
import type { Verdict } from '../contracts/verdict';
import { AT_WORK, atWork, type RunAtWork } from './runs';
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
  judged_by: string | null;
  /** SHA-256 of the steps. */
  content_hash: string | null;
  /** Attempt of the run in which it was drafted. */
  attempt: number;
}

/** A run for those who plan it, with all its rounds, oldest first. @throws as `atWork` */
export async function readRounds(
  db: Tx,
  run_id: string,
  execution: string,
): Promise<RunAtWork & { rounds: PlanRow[] }> {
  const [run] = await db.query<RunAtWork & { rounds: PlanRow[] }>(
    `select ${AT_WORK}, array(
       select to_jsonb(p) from (
         select version, source, steps, outline, findings, failure, verdict, accepted, judged_by, content_hash, attempt
         from plans where run_id = runs.id order by version) p
     ) as rounds from runs where id = $1`,
    [run_id],
  );
  return atWork(run, { run_id, execution });
}

/** What was decided on a plan, and by whom. */
export interface Decision {
  verdict: Verdict;
  accepted: boolean;
  judged_by: string;
  /** Accepted though rejected: the last round of a run that is to go on all the same. */
  exhausted?: true;
}

/** The outcome of a round, to be stored by `appendPlan`. */
export interface NewPlan {
  run_id: string;
  version: number;
  source: PlanSource;
  steps: Step[];
  outline: Outline | null;
  findings: Finding[];
  failure: Failure | null;
  /** Of a judge that decided where the plan was drafted. */
  decision: Decision | null;
  content_hash: string;
  attempt: number;
  execution: string;
}

/** Stores what the judge said, once. @returns whether it was stored now. */
export async function storeVerdict(
  tx: Tx,
  round: { run_id: string; version: number },
  decision: Decision,
): Promise<boolean> {
  const rows = await tx.query(
    `update plans set verdict = $3, accepted = $4, judged_by = $5, judged_at = now()
     where run_id = $1 and version = $2 and verdict is null returning version`,
    [round.run_id, round.version, JSON.stringify(decision.verdict), decision.accepted, decision.judged_by],
  );
  return rows.length > 0;
}

/** The rows of a plan's steps, as record_plan() takes them; none where the plan will not be carried out. */
export function stepRows(
  { outline, steps }: Pick<NewPlan, 'outline' | 'steps'>,
  toolOf: (step: Step) => Pick<ToolCard, 'version' | 'lane' | 'effect'>,
) {
  if (outline === null) return [];
  const needs = new Map(outline.steps.map((step) => [step.id, step.needs]));
  return steps.map((step, position) => {
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
}
