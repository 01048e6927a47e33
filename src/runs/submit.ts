import { Refusal } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { SubmitRun } from '../contracts/run';
import { newId } from '../db/new-id';
import type { NewRun, RunRow } from '../db/runs';
import type { Tx } from '../db/tx';
import { appendRun } from '../events/append';
import { refuseUnpaidAnswer, type ForecastAnswer } from './paid-answer';
import { earlierRun, requestKeyOf } from './request-key';
import { refuseBeyond, rulesOfRun, type Said } from './run-rules';

/** Seconds after which a tenant whose runs are all open may try again: some end every moment where there are so many. */
const QUEUE_RETRY_AFTER_S = 5;
const ROUTE = 'POST /v1/runs';

export interface SubmitDeps {
  /** The record as the tenant sees it. */
  records: Tx;
  /** Rules of new runs; a budget may lower them. */
  rules: Rules;
  /** Runs of a tenant that have not ended, at most. */
  open_runs: number;
  forecastAnswer: ForecastAnswer;
}

export interface Submission {
  tenant: string;
  /** What its key may spend a day; no limit when absent. */
  day?: NonNullable<Rules['day']>;
  body: SubmitRun;
  idempotency_key: string | null;
  request_id: string | null;
  trace_id: string | null;
}

/**
 * Takes a run: its row, its first event and its key are committed together. A worker hears of it and starts its workflow, for which nobody
 * waits here: where Temporal or all workers are away the run stays `queued`.
 * @throws Refusal `invalid_request` (a budget or replans above the rules, or a budget that pays for no answer to a given plan), `idempotency_mismatch`, `queue_full`; Unavailable when Postgres is away.
 */
export async function submitRun(
  { records, rules, open_runs, forecastAnswer }: SubmitDeps,
  submission: Submission,
): Promise<{ run: RunRow; replayed: boolean }> {
  const key = requestKeyOf({ ...submission, route: ROUTE }, submission.body);
  let fresh: NewRun;
  try {
    fresh = newRun(submission, rules);
    if (fresh.given_plan !== null) refuseUnpaidAnswer(forecastAnswer(fresh.goal), fresh.rules);
  } catch (error) {
    // It may have been taken under higher limits: a repeated request gets its run whatever they are by now.
    const earlier = key && (await earlierRun(records, key));
    if (earlier) return { run: earlier, replayed: true };
    throw error;
  }
  for (;;) {
    const run = await appendRun(records, fresh, { key, open_runs });
    if (run === 'too_many_open') throw queueFull(open_runs);
    if (run !== 'key_taken') return { run, replayed: false };
    const earlier = await earlierRun(records, key!);
    if (earlier !== undefined) return { run: earlier, replayed: true };
    // Its run was removed a moment ago, and the key with it: it is free again.
  }
}

/** What a tenant is told that has as many open runs as it may have. */
export function queueFull(open_runs: number): Refusal {
  const detail = `The tenant has ${open_runs} runs that have not ended, as many as it may have.`;
  return new Refusal('queue_full', detail, [], { retry_after_s: QUEUE_RETRY_AFTER_S });
}

function newRun({ tenant, day, body, request_id, trace_id }: Submission, today: Rules): NewRun {
  const said = saidIn(body);
  refuseBeyond(said, today);
  return {
    id: newId('run'),
    tenant,
    user: body.user ?? null,
    goal: body.goal,
    given_plan: body.plan ?? null,
    ...rulesOfRun(said, { today, ...(day && { day }) }),
    metadata: body.metadata ?? {},
    tags: body.tags ?? [],
    request_id,
    trace_id,
  };
}

/** What the client says, in the words of the rules. */
function saidIn({ mode, budget, judge = {} }: SubmitRun): Said {
  const { enabled: judge_enabled, threshold: judge_threshold, max_replans, on_exhausted } = judge;
  return { ...budget, mode, judge_enabled, judge_threshold, max_replans, on_exhausted };
}
