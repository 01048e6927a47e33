import type { Origin } from '../contracts/origin';
import { Refusal } from '../contracts/refusal';
import type { Rerun } from '../contracts/restart';
import type { Rules } from '../contracts/rules';
import type { Records } from '../db/database';
import { newId } from '../db/new-id';
import { costOfCalls, findRepeatedRun, supersede, type RepeatedRun } from '../db/repeated-runs';
import { claimKey, type RequestKey } from '../db/request-keys';
import type { NewRun, RunRow } from '../db/runs';
import type { Tx } from '../db/tx';
import { appendRerun } from '../events/append';
import type { InputCheck } from '../planning/input-check';
import type { Catalogue } from '../tools/registry';
import type { Fate } from './closure';
import { earlierRun, requestKeyOf } from './request-key';
import { decideRerun, refuseMissing, type Asked, type Decided } from './decide-rerun';
import { refuseUnpaidAnswer, type ForecastAnswer } from './paid-answer';
import { rulesOfRun, saidOf } from './run-rules';
import { queueFull } from './submit';
import { takeOver } from './take-over';

export interface RerunDeps {
  /** The record as the tenant sees it. */
  records: Records;
  /** Rules of new runs. */
  rules: Rules;
  /** Runs of a tenant that have not ended, at most. */
  open_runs: number;
  tools: Catalogue;
  checkInput: InputCheck;
  forecastAnswer: ForecastAnswer;
}

/** Which run is to be repeated, and how. */
export interface RerunRequest {
  tenant: string;
  run_id: string;
  asked: Asked;
  /** What the caller's key may spend a day; no limit when absent. */
  day?: NonNullable<Rules['day']>;
}

/** The request that wants it. */
export interface RerunSubmission extends RerunRequest {
  idempotency_key: string | null;
  request_id: string | null;
  trace_id: string | null;
}

/**
 * Restarts or forks a run that has ended: a new run takes over what holds of it and carries out the rest. All of it is committed in one
 * transaction, in which the old run can be neither removed nor reopened; a worker starts its workflow as after a submit.
 * @throws Refusal `not_found`, and as `decideRerun` and `refuseUnpaidAnswer`; `invalid_plan` when tools are gone, `idempotency_mismatch`,
 * `queue_full`; Unavailable when Postgres is away.
 */
export async function rerun(
  deps: RerunDeps,
  submission: RerunSubmission,
): Promise<{ run: RunRow; replayed: boolean }> {
  const { run_id, asked } = submission;
  const route = `POST /v1/runs/{id}/${asked.type}`;
  const key = requestKeyOf({ ...submission, route }, { run_id, asked });
  for (;;) {
    const run = await deps.records.transaction((tx) => take(tx, deps, submission, key));
    if (run !== null) return { run, replayed: false };
    const earlier = await earlierRun(deps.records, key!);
    if (earlier !== undefined) return { run: earlier, replayed: true };
    // Its run was removed a moment ago, and the key with it: it is free again.
  }
}

/** What `rerun` would do, and what that cost last time; nothing is changed. @throws as `rerun`, but tools that are gone are told. */
export async function foreseeRerun(deps: RerunDeps, request: RerunRequest): Promise<Rerun> {
  const { records } = deps;
  const old = await requireRepeated(records, request, false);
  const decided = decide(deps, old, request);
  const purposes =
    decided.planning === 'again' ? (['plan', 'judge', 'answer'] as const) : ['answer' as const];
  const cost = await costOfCalls(records, old.id, purposes);
  return viewOf(old, request.asked, decided, cost);
}

/** @returns null when the key of the request is taken. */
async function take(
  tx: Tx,
  deps: RerunDeps,
  submission: RerunSubmission,
  key: RequestKey | null,
): Promise<RunRow | null> {
  const { asked } = submission;
  const id = newId('run');
  if (key !== null && !(await claimKey(tx, key, id))) return null;
  const old = await requireRepeated(tx, submission, true);
  const decided = decide(deps, old, submission);
  refuseMissing(decided);
  const fresh = newRun(id, old, decided, submission, deps);
  const run = await appendRerun(tx, fresh, {
    taken:
      decided.planning === 'again' || decided.given_plan !== null ? null : takeOver(old, asked, decided, id),
    open_runs: deps.open_runs,
  });
  if (run === 'too_many_open') throw queueFull(deps.open_runs);
  if (asked.type === 'restart') await supersede(tx, old.id, id);
  return run;
}

async function requireRepeated(
  tx: Tx,
  { tenant, run_id }: RerunRequest,
  lock: boolean,
): Promise<RepeatedRun> {
  const old = await findRepeatedRun(tx, tenant, run_id, lock);
  if (old === undefined) throw new Refusal('not_found', 'There is no such run.');
  return old;
}

function decide(deps: RerunDeps, old: RepeatedRun, request: RerunRequest): Decided {
  const { rules } = rulesOf(deps, old, request);
  const decided = decideRerun(old, request.asked, { ...deps, rules });
  if (isAnsweredByModel(old, decided))
    refuseUnpaidAnswer(deps.forecastAnswer(request.asked.goal ?? old.goal), rules);
  return decided;
}

/** Whether, where there are models, one answers what the plan that is already there comes to. One that is taken over keeps who answers. */
function isAnsweredByModel({ plan }: RepeatedRun, { planning, given_plan }: Decided): boolean {
  return given_plan !== null || (planning !== 'again' && plan?.outline.answer === 'llm');
}

/** What was said of the run that is repeated holds, and the operator's limits are those of today. */
function rulesOf(
  { rules: today }: RerunDeps,
  old: RepeatedRun,
  { asked: { model: tier }, day }: RerunRequest,
) {
  return rulesOfRun({ ...saidOf(old), ...(tier && { tier }) }, { today, ...(day && { day }) });
}

function newRun(
  id: string,
  old: RepeatedRun,
  { given_plan }: Decided,
  submission: RerunSubmission,
  deps: RerunDeps,
): NewRun {
  const { asked, request_id, trace_id } = submission;
  const { tenant, user, metadata, tags, root_run_id } = old;
  return {
    id,
    tenant,
    user,
    goal: asked.goal ?? old.goal,
    given_plan,
    ...rulesOf(deps, old, submission),
    metadata,
    tags,
    request_id,
    trace_id,
    origin: originOf(old, asked),
    root_run_id,
  };
}

function originOf({ id: run_id }: RepeatedRun, { type, from, reason }: Asked): Origin {
  return { type, run_id, from, ...(reason !== undefined && { reason }) };
}

/** The version of a step that is taken over. */
function versionHeld(was: RepeatedRun['steps'][number] | undefined, { action }: Fate): string | null {
  return action === 'reuse' && was !== undefined ? was.tool_version : null;
}

function viewOf(
  old: RepeatedRun,
  asked: Asked,
  { planning, steps, fates, cards, missing }: Decided,
  cost: { model_calls: number; tokens: number; cost_usd: number | null },
): Rerun {
  const was = new Map(old.steps.map((step) => [step.id, step]));
  const repeated =
    planning === 'again' ? old.steps : old.steps.filter(({ id }) => fates.get(id)?.action === 'run');
  return {
    object: 'rerun',
    origin: originOf(old, asked),
    planning,
    steps: steps.map(({ id, tool }) => ({
      id,
      tool,
      ...fates.get(id)!,
      tool_version: cards.get(id)?.version ?? versionHeld(was.get(id), fates.get(id)!),
      last_status: was.get(id)?.status ?? null,
      last_duration_ms: was.get(id)?.duration_ms ?? null,
    })),
    missing,
    last: { duration_ms: repeated.reduce((sum, step) => sum + (step.duration_ms ?? 0), 0), ...cost },
  };
}
