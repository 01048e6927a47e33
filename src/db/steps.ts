import type { EndedStep } from '../contracts/ended-step';
import type { Failure } from '../contracts/failure';
import type { Outline } from '../contracts/outline';
import type { Step } from '../contracts/plan';
import type { Rules } from '../contracts/rules';
import type { RunStatus, StepStatus } from '../contracts/run-status';
import type { ToolLane } from '../contracts/tool';
import { Refusal } from '../contracts/refusal';
import type { Executions } from './executions';
import { AT_WORK, atWork, type RunAtWork } from './runs';
import type { Tx } from './tx';

/** Which step: a plan's version is part of it, because a replan may use the same ids. */
export interface StepRef {
  run_id: string;
  plan_version: number;
  step_id: string;
}

/** A step with all that its tool call needs: the run it belongs to and the outputs of the steps it needs. */
export interface StepRow extends Executions {
  id: string;
  status: StepStatus;
  title: string | null;
  tool: string;
  tool_version: string;
  lane: ToolLane;
  spec: Step;
  fence: number;
  tries: number;
  /** Fence at which the attempt of the run took the step up: starts before it are of older ones. */
  fences_before: number;
  /** Attempt of the run in which it was last taken up. */
  step_attempt: number;
  /** The run that first meant to make its effect. */
  effect_scope: string;
  tenant: string;
  user: string | null;
  /** Attempt of the run. */
  attempt: number;
  run_status: RunStatus;
  rules: Rules;
  /** By step id; only of steps that were completed. */
  outputs: Record<string, unknown>;
}

/** @throws Refusal `not_found` when there is none of them: the run was removed, and its workflow reset */
export async function readSteps(
  db: Tx,
  run_id: string,
  plan_version: number,
  ids: string[],
): Promise<[StepRow, ...StepRow[]]> {
  const [first, ...rest] = await db.query<StepRow>(
    `select s.id, s.status, s.title, s.tool, s.tool_version, s.lane, s.spec, s.fence, s.tries, s.effect_scope, s.fences_before,
       s.attempt as step_attempt,
       r.tenant, r."user", r.attempt, r.status as run_status, r.rules, r.execution, r.past_executions,
       (select coalesce(jsonb_object_agg(d.id, d.output), '{}') from steps d
        where d.run_id = s.run_id and d.plan_version = s.plan_version and d.id = any(s.needs) and d.status = 'completed') as outputs
     from steps s join runs r on r.id = s.run_id
     where s.run_id = $1 and s.plan_version = $2 and s.id = any($3) order by s.position`,
    [run_id, plan_version, ids],
  );
  if (first === undefined) throw new Refusal('not_found', `Run ${run_id} has no step ${ids.join(', ')}.`);
  return [first, ...rest];
}

/** A step that came to its end in an older attempt of the run, short of an output: a Reset may repeat it. Of steps `s` and runs `r`. */
const LEFT_OVER = `(s.attempt < r.attempt and s.status in ('failed', 'skipped', 'cancelled'))`;

/**
 * Makes a step one of the attempt of its run: what is left over from an older one is pending again, with a fence of its own, so that no
 * start from before the Reset writes. It keeps the scope of its effect: what it did is found again.
 * @param lost steps of which the workflow knows how they ended without an output: it has that from before the Reset, and will not repeat them
 */
export async function takeUpStep(
  tx: Tx,
  { run_id, plan_version, step_id }: StepRef,
  attempt: number,
  lost: readonly string[],
): Promise<void> {
  await tx.query(
    `update steps set attempt = $3 where run_id = $1 and plan_version = $2 and attempt < $3
       and id = any($4) and status in ('failed', 'skipped')`,
    [run_id, plan_version, attempt, lost],
  );
  await tx.query(
    `update steps s set status = 'pending', status_reason = null, failure = null, tries = 0, fence = fence + 1, fences_before = fence + 1,
       attempt = r.attempt, started_at = null, finished_at = null, duration_ms = null
     from runs r where r.id = s.run_id and s.run_id = $1 and s.plan_version = $2 and s.id = $3 and ${LEFT_OVER}`,
    [run_id, plan_version, step_id],
  );
  await tx.query(
    `update steps set attempt = $4 where run_id = $1 and plan_version = $2 and id = $3 and attempt < $4`,
    [run_id, plan_version, step_id, attempt],
  );
}

/** Takes the row lock of a step, so that a second worker on the same step waits. @returns how it stands now. */
export async function lockStep(
  tx: Tx,
  { run_id, plan_version, step_id }: StepRef,
): Promise<Pick<StepRow, 'status' | 'fence'>> {
  const [row] = await tx.query<Pick<StepRow, 'status' | 'fence'>>(
    'select status, fence from steps where run_id = $1 and plan_version = $2 and id = $3 for update',
    [run_id, plan_version, step_id],
  );
  return row!;
}

/**
 * Begins a start of a step: takes its next fence number, which every later write of this start carries.
 * @returns the number and how the step stood until now, or null when the step has ended.
 */
export async function takeFence(
  tx: Tx,
  { run_id, plan_version, step_id }: StepRef,
  execution: string,
): Promise<{ fence: number; before: Pick<StepRow, 'status' | 'fence' | 'tries'> } | null> {
  const [before] = await tx.query<Pick<StepRow, 'status' | 'fence' | 'tries'>>(
    `with before as (
       select * from steps where run_id = $1 and plan_version = $2 and id = $3 and status in ('pending', 'running', 'retrying')
       for update
     )
     update steps set fence = before.fence + 1, status = 'running', started_at = coalesce(before.started_at, now()), execution = $4
     from before where steps.run_id = before.run_id and steps.plan_version = before.plan_version and steps.id = before.id
     returning before.status, before.fence, before.tries`,
    [run_id, plan_version, step_id, execution],
  );
  return before === undefined ? null : { fence: before.fence + 1, before };
}

/** Whether a start is still the one that carries its step out; no newer one takes over before the transaction ends. */
export async function holdsFence(
  tx: Tx,
  { run_id, plan_version, step_id }: StepRef,
  fence: number,
): Promise<boolean> {
  const rows = await tx.query(
    `select 1 from steps where run_id = $1 and plan_version = $2 and id = $3 and fence = $4 and status = 'running' for share`,
    [run_id, plan_version, step_id, fence],
  );
  return rows.length > 0;
}

/** What a start of a step came to. Absent columns stay as they are. */
export interface StepChange {
  status: 'completed' | 'failed' | 'skipped' | 'retrying' | 'waiting';
  status_reason?: string;
  input?: unknown;
  input_hash?: string;
  output?: unknown;
  failure?: Failure;
  duration_ms?: number;
  /** Tries that ended in a failure the tool reported, added to those before. */
  failed_tries?: number;
}

/**
 * Writes how a step went on, unless it has ended or a newer start has taken over.
 * @param fence number of the start that writes; null for instant work, where the first outcome wins
 * @returns whether it was written.
 */
export async function writeStep(
  tx: Tx,
  ref: StepRef,
  fence: number | null,
  change: StepChange,
): Promise<boolean> {
  const [row] = await tx.query<{ written: boolean }>('select write_step($1, $2, $3, $4, $5) as written', [
    ref.run_id,
    ref.plan_version,
    ref.step_id,
    fence,
    JSON.stringify(change),
  ]);
  return row!.written;
}

/** Ends the wait of a step for a person's answer: it may be written again, and a try has come to nothing. */
export async function endWait(tx: Tx, { run_id, plan_version, step_id }: StepRef): Promise<void> {
  await tx.query(
    `update steps set status = 'retrying', status_reason = null, failure = null, tries = tries + 1
     where run_id = $1 and plan_version = $2 and id = $3 and status = 'waiting'`,
    [run_id, plan_version, step_id],
  );
}

/** Whether steps of a run wait for a person's answer. Asked under `lockStepsOf`. */
export async function someWait(tx: Tx, run_id: string): Promise<boolean> {
  const rows = await tx.query(`select 1 from steps where run_id = $1 and status = 'waiting' limit 1`, [
    run_id,
  ]);
  return rows.length > 0;
}

/**
 * Held by every transaction that ends several steps of one run (skips, the end of the run): they see each other's
 * decisions and cannot wait for one another's rows in a circle.
 */
export async function lockStepsOf(tx: Tx, run_id: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(hashtextextended($1, 7240002))', [run_id]);
}

/** How the steps of a plan stand. */
export interface Statuses {
  run: Executions & { attempt: number };
  outline: Outline;
  statuses: Map<string, StepStatus>;
}

/**
 * How the steps of a plan stand in this attempt of their run, with the plan's outline: what is left over from an older one is pending.
 * @throws Refusal `not_found`
 */
export async function readStatuses(tx: Tx, run_id: string, plan_version: number): Promise<Statuses> {
  const [first, ...rest] = await tx.query<
    { id: string; status: StepStatus; outline: Outline } & Statuses['run']
  >(
    `select s.id, case when ${LEFT_OVER} then 'pending' else s.status end as status, p.outline,
       r.attempt, r.execution, r.past_executions
     from steps s join plans p on p.run_id = s.run_id and p.version = s.plan_version join runs r on r.id = s.run_id
     where s.run_id = $1 and s.plan_version = $2 order by s.position`,
    [run_id, plan_version],
  );
  if (first === undefined) throw new Refusal('not_found', `Run ${run_id} has no plan ${plan_version}.`);
  const statuses = new Map([first, ...rest].map(({ id, status }) => [id, status]));
  return { run: first, outline: first.outline, statuses };
}

/** Ends pending steps as skipped, also those that are left over from an older attempt of their run. */
export async function skipSteps(
  tx: Tx,
  run_id: string,
  plan_version: number,
  ids: string[],
  reason: string,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(
    // Not now(), which is when the transaction began: before the end of the step that caused it.
    `update steps s set status = 'skipped', status_reason = $4, failure = null, finished_at = clock_timestamp(), attempt = r.attempt
     from runs r
     where r.id = s.run_id and s.run_id = $1 and s.plan_version = $2 and s.id = any($3) and (s.status = 'pending' or ${LEFT_OVER})`,
    [run_id, plan_version, ids, reason],
  );
}

/** What is said besides of a step that ends while its tool may be making an effect. */
const IN_DOUBT = ' Whether its tool took effect is not known.';

/**
 * Ends every step of a run that has not ended, also those of plans that were not accepted.
 * @returns those of the plan that is carried out, in its order: of the others nobody was told that they would run.
 */
export async function cancelSteps(
  tx: Tx,
  run_id: string,
  reason: string,
): Promise<(StepRef & { reason: string })[]> {
  return tx.query<StepRef & { reason: string }>(
    `with open as (
       select run_id, plan_version, id from steps
       where run_id = $1 and status in ('pending', 'running', 'retrying', 'waiting') order by position for update
     ), ended as (
       update steps set status = 'cancelled', finished_at = now(),
         status_reason = $2 || case when exists (
           select from effects e where e.effect_scope = steps.effect_scope and e.step_id = steps.id and e.status <> 'done'
         ) then $3 else '' end
       from open where steps.run_id = open.run_id and steps.plan_version = open.plan_version and steps.id = open.id
       returning steps.run_id, steps.plan_version, steps.id, steps.position, steps.status_reason
     )
     select ended.run_id, ended.plan_version, ended.id as step_id, ended.status_reason as reason from ended
     join runs on runs.id = ended.run_id and runs.plan_version = ended.plan_version order by ended.position`,
    [run_id, reason, IN_DOUBT],
  );
}

/** A run with the steps of the plan that was carried out, in its order, for the writer of the answer. @throws as `atWork` */
export async function readCarriedOut(
  db: Tx,
  run_id: string,
  plan_version: number,
  execution: string,
): Promise<RunAtWork & { steps: EndedStep[] }> {
  const [run] = await db.query<RunAtWork & { steps: EndedStep[] }>(
    `select ${AT_WORK}, array(
       select to_jsonb(s) from (
         select id, title, tool, input, status, output, failure from steps
         where run_id = runs.id and plan_version = $2 order by position) s
     ) as steps from runs where id = $1`,
    [run_id, plan_version],
  );
  return atWork(run, { run_id, execution });
}
