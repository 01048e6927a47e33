import type { Failure } from '../contracts/failure';
import type { Degraded, Spending } from '../contracts/model';
import type { GivenPlan } from '../contracts/plan';
import type { Origin } from '../contracts/origin';
import type { Rules } from '../contracts/rules';
import { Refusal } from '../contracts/refusal';
import { admit, type Executions } from './executions';
import { isTerminal, type RunStatus } from '../contracts/run-status';
import type { Tx } from './tx';

/** What a client allows its run to cost. */
export interface RunBudget {
  max_steps: number;
  max_duration_s: number;
  /** No limit when absent. */
  max_tokens?: number;
  max_cost_usd?: number;
}

/** A row of `runs` with the progress of its steps. */
export interface RunRow {
  id: string;
  tenant: string;
  user: string | null;
  status: RunStatus;
  phase: string | null;
  status_reason: string | null;
  goal: string;
  answer: string | null;
  error: Failure | null;
  plan_version: number | null;
  rounds: number;
  rules: Rules;
  budget: RunBudget;
  usage: Spending;
  degraded: Degraded | null;
  metadata: Record<string, string>;
  tags: string[];
  attempt: number;
  first_seq: number;
  last_seq: number;
  /** Counts every change of the row. */
  revision: number;
  origin: Origin;
  root_run_id: string;
  superseded_by: string | null;
  request_id: string | null;
  trace_id: string | null;
  created_at: Date;
  updated_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  deadline_at: Date;
  steps_total: number;
  steps_done: number;
}

export interface NewRun {
  id: string;
  tenant: string;
  user: string | null;
  goal: string;
  given_plan: GivenPlan | null;
  rules: Rules;
  budget: RunBudget;
  metadata: Record<string, string>;
  tags: string[];
  request_id: string | null;
  trace_id: string | null;
  /** Of a restart or a fork; a run that comes from no other is the first of its lineage. */
  origin?: Origin;
  root_run_id?: string;
}

/** Progress is counted, not kept: the steps of the current plan say it. Int8 columns are cast because the driver gives them as text. */
export const RUN_COLUMNS = `
  r.id, r.tenant, r."user", r.status, r.phase, r.status_reason, r.goal, r.answer, r.error, r.plan_version, r.rounds, r.rules,
  r.budget, r.usage, r.degraded, r.metadata, r.tags, r.attempt, r.first_seq::float8 as first_seq, r.last_seq::float8 as last_seq,
  r.revision::float8 as revision, r.origin,
  r.root_run_id, r.superseded_by, r.request_id, r.trace_id, r.created_at, r.updated_at, r.started_at, r.finished_at, r.deadline_at,
  p.steps_total, p.steps_done`;
export const RUN_PROGRESS = `
  cross join lateral (
    select count(*)::int as steps_total,
      count(*) filter (where s.status in ('completed', 'failed', 'skipped', 'cancelled'))::int as steps_done
    from steps s where s.run_id = r.id and s.plan_version = r.plan_version
  ) p`;

/** The run of that id if the tenant has it. */
export async function findRun(db: Tx, tenant: string, id: string): Promise<RunRow | undefined> {
  const [row] = await db.query<RunRow>(
    `select ${RUN_COLUMNS} from runs r ${RUN_PROGRESS} where r.id = $1 and r.tenant = $2`,
    [id, tenant],
  );
  return row;
}

/** Condition of runs that have not ended, as the index of them has it. */
export const OPEN = `status in ('queued', 'running', 'waiting', 'paused', 'cancelling')`;

/** When the oldest run that has not ended was accepted. */
export async function oldestOpenRun(db: Tx): Promise<Date | null> {
  const [run] = await db.query<{ oldest: Date | null }>(
    `select min(created_at) as oldest from runs where ${OPEN}`,
  );
  return run!.oldest;
}

/** Those of them that have not ended. */
export async function openRunsOf(db: Tx, ids: string[]): Promise<string[]> {
  const rows = await db.query<{ id: string }>(`select id from runs where id = any($1) and ${OPEN}`, [ids]);
  return rows.map(({ id }) => id);
}

/** What the activities of a run need of its row. */
export interface RunAtWork extends Executions {
  goal: string;
  given_plan: GivenPlan | null;
  rules: Rules;
  status: RunStatus;
  attempt: number;
}
export const AT_WORK = 'goal, given_plan, rules, status, attempt, execution, past_executions';

/**
 * A run for those who work on it.
 * @throws Refusal `not_found`, `superseded`, or `run_over` when nothing is to be done any more; NewExecution, also of one that is over
 */
export function atWork<Run extends RunAtWork>(
  run: Run | undefined,
  { run_id, execution }: { run_id: string; execution: string },
): Run {
  if (run === undefined) throw new Refusal('not_found', `There is no run ${run_id}.`);
  admit(run, execution);
  if (isTerminal(run.status)) throw new Refusal('run_over', 'The run has already ended.');
  return run;
}

/** Takes the row lock of a run, so that its status stays until the commit. @returns its status now. */
export async function lockRun(tx: Tx, run_id: string): Promise<RunStatus> {
  const [run] = await tx.query<{ status: RunStatus }>(
    'select status from runs where id = $1 for no key update',
    [run_id],
  );
  return run!.status;
}

/** A piece of a run's work that may be done by two workers at once, where one was lost for a while. */
export interface Piece {
  run_id: string;
  /** `plan:1`, `answer`. */
  name: string;
}

/**
 * Begins a try of a piece of work; what earlier ones write is refused from its commit on. Takes the row lock of the run.
 * @returns the number of the try, from 1, and the status of the run
 */
export async function beginTry(
  tx: Tx,
  { run_id, name }: Piece,
): Promise<{ number: number; status: RunStatus }> {
  const [run] = await tx.query<{ number: number; status: RunStatus }>(
    `update runs set tries = tries || jsonb_build_object($2::text, coalesce((tries->>$2)::integer, 0) + 1)
     where id = $1 returning (tries->>$2)::integer as number, status`,
    [run_id, name],
  );
  return run!;
}

/** As `lockRun`, for a write of a try. @throws Refusal `superseded` when a later try has begun. */
export async function lockTry(tx: Tx, { run_id, name }: Piece, number: number): Promise<RunStatus> {
  const [run] = await tx.query<{ last: number; status: RunStatus }>(
    'select (tries->>$2)::integer as last, status from runs where id = $1 for no key update',
    [run_id, name],
  );
  if (run!.last === number) return run!.status;
  throw new Refusal('superseded', 'A later try does this work.');
}

/** Notes what stood in for a model in this run. */
export async function markDegraded(tx: Tx, run_id: string, degraded: Degraded): Promise<void> {
  await tx.query('update runs set degraded = $2 where id = $1', [run_id, JSON.stringify(degraded)]);
}

/**
 * Changes what a client keeps with a run.
 * @param revision the one the client has seen; null: whatever it is
 * @returns whether it was changed; false when there is no such run, or not in that revision.
 */
export async function labelRun(
  db: Tx,
  tenant: string,
  id: string,
  labels: { metadata: Record<string, string> | null; tags: string[] | null },
  revision: number | null,
): Promise<boolean> {
  const changed = await db.query(
    `update runs set metadata = coalesce($3, metadata), tags = coalesce($4, tags), revision = revision + 1, updated_at = clock_timestamp()
     where id = $2 and tenant = $1 and ($5::bigint is null or revision = $5) returning id`,
    [tenant, id, labels.metadata === null ? null : JSON.stringify(labels.metadata), labels.tags, revision],
  );
  return changed.length > 0;
}

/**
 * Removes a run that is over, with its plans, steps and events. What its tools did stays done; what is known of it goes too, unless a step
 * of another run, which took the step over, still refers to it.
 * @returns whether it was removed; false when there is no such run, it is not over, or not in that revision.
 */
export async function deleteRun(
  tx: Tx,
  tenant: string,
  id: string,
  revision: number | null,
): Promise<boolean> {
  await tx.query("set local longhaul.retention = 'on'"); // events go with their run, never alone
  // Two runs of one lineage that are removed at once must not each see the other's steps.
  await tx.query(
    'select pg_advisory_xact_lock(7240013, hashtext(root_run_id)) from runs where id = $1 and tenant = $2',
    [id, tenant],
  );
  const scopes = await tx.query<{ effect_scope: string }>(
    `select distinct effect_scope from steps where run_id = $1 and tenant = $2 and effect <> 'pure'`,
    [id, tenant],
  );
  const deleted = await tx.query(
    `delete from runs where id = $2 and tenant = $1 and ($3::bigint is null or revision = $3)
       and status in ('completed', 'failed', 'cancelled', 'timed_out') returning id`,
    [tenant, id, revision],
  );
  if (deleted.length > 0 && scopes.length > 0) {
    await tx.query(
      `delete from effects e where tenant = $1 and effect_scope = any($2) and not exists (
         select from steps s where s.effect_scope = e.effect_scope and s.id = e.step_id and s.effect <> 'pure')`,
      [tenant, scopes.map(({ effect_scope }) => effect_scope)],
    );
  }
  return deleted.length > 0;
}
