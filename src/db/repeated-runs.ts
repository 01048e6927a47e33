import type { Outline } from '../contracts/outline';
import type { GivenPlan, PlanSource, Step } from '../contracts/plan';
import type { Purpose } from '../contracts/model';
import type { StepStatus } from '../contracts/run-status';
import type { ToolEffect, ToolLane } from '../contracts/tool';
import type { RunRow } from './runs';
import type { Tx } from './tx';

/** A run as one that repeats it finds it. */
export interface RepeatedRun extends Pick<
  RunRow,
  | 'id'
  | 'tenant'
  | 'user'
  | 'status'
  | 'goal'
  | 'rules'
  | 'budget'
  | 'metadata'
  | 'tags'
  | 'attempt'
  | 'root_run_id'
> {
  given_plan: GivenPlan | null;
  /** The plan that was carried out; null where none was accepted. */
  plan: { version: number; source: PlanSource; steps: Step[]; outline: Outline } | null;
  /** Of that plan, in its order. Without inputs and outputs. */
  steps: RepeatedStep[];
}

export interface RepeatedStep {
  id: string;
  status: StepStatus;
  status_reason: string | null;
  /** Attempt of the run in which it was last at work. */
  attempt: number;
  tool: string;
  tool_version: string;
  lane: ToolLane;
  effect: ToolEffect;
  effect_scope: string;
  /** Whether a call of its tool is on record under its scope. */
  has_effect: boolean;
  duration_ms: number | null;
  /** Microseconds since 1970: steps end in the same millisecond. */
  finished_at_us: number | null;
}

/**
 * The run of that id if the tenant has it.
 * @param lock takes the row lock, so that it is neither removed nor reopened until the commit
 */
export async function findRepeatedRun(
  tx: Tx,
  tenant: string,
  id: string,
  lock: boolean,
): Promise<RepeatedRun | undefined> {
  const [run] = await tx.query<Omit<RepeatedRun, 'plan' | 'steps'> & { plan_version: number | null }>(
    `select id, tenant, "user", status, goal, given_plan, rules, budget, metadata, tags, attempt, root_run_id, plan_version
     from runs where id = $1 and tenant = $2 ${lock ? 'for no key update' : ''}`,
    [id, tenant],
  );
  if (run === undefined) return undefined;
  const { plan_version, ...rest } = run;
  const [plan = null] = await tx.query<NonNullable<RepeatedRun['plan']>>(
    'select version, source, steps, outline from plans where run_id = $1 and version = $2',
    [id, plan_version],
  );
  const steps = await tx.query<RepeatedStep>(
    `select s.id, s.status, s.status_reason, s.attempt, s.tool, s.tool_version, s.lane, s.effect, s.effect_scope, s.duration_ms,
       (extract(epoch from s.finished_at) * 1000000)::float8 as finished_at_us,
       exists (select from effects e where e.effect_scope = s.effect_scope and e.step_id = s.id) as has_effect
     from steps s where s.run_id = $1 and s.plan_version = $2 order by s.position`,
    [id, plan_version],
  );
  return { ...rest, plan, steps };
}

/** What the model calls of a run cost that were made for these purposes. */
export async function costOfCalls(
  db: Tx,
  run_id: string,
  purposes: readonly Purpose[],
): Promise<{ model_calls: number; tokens: number; cost_usd: number | null }> {
  const [cost] = await db.query<{ model_calls: number; tokens: number; cost_usd: number | null }>(
    `select coalesce(sum(calls), 0)::int as model_calls,
       coalesce(sum((usage->>'input_tokens')::bigint + (usage->>'output_tokens')::bigint), 0)::float8 as tokens,
       case when bool_or(reply is not null and cost_usd is null) then null else coalesce(sum(cost_usd), 0)::float8 end as cost_usd
     from model_calls where run_id = $1 and purpose = any($2)`,
    [run_id, purposes],
  );
  return cost!;
}

/** Says of a run that another one has replaced it. Its row is locked. */
export async function supersede(tx: Tx, id: string, by: string): Promise<void> {
  await tx.query(
    'update runs set superseded_by = $2, revision = revision + 1, updated_at = clock_timestamp() where id = $1',
    [id, by],
  );
}
