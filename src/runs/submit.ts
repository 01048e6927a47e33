import { createHash } from 'node:crypto';
import { Refusal } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { SubmitRun } from '../contracts/run';
import type { Records } from '../db/database';
import { newId } from '../db/new-id';
import { findRun, insertRun, type NewRun, type RunRow } from '../db/runs';
import type { Tx } from '../db/tx';
import { append } from '../events/append';
import type { RunWorkflows } from './run-workflows';

/** How long a key is remembered. */
const KEY_LIVES_HOURS = 24;
const ROUTE = 'POST /v1/runs';

export interface SubmitDeps {
  /** The record as the tenant sees it. */
  records: Records;
  workflows: RunWorkflows;
  /** Rules of new runs; a budget may lower them. */
  rules: Rules;
  /** Hears that Temporal did not take a run at once; the reconciler hands it over. */
  onNotStarted: (run_id: string, error: unknown) => void;
}

export interface Submission {
  tenant: string;
  body: SubmitRun;
  idempotency_key: string | null;
  request_id: string | null;
  trace_id: string | null;
  now: Date;
}

/**
 * Takes a run: its row, its first event and its key are committed together, then the workflow is started. When Temporal is
 * away the run stays `queued` and is started later; it is accepted all the same.
 * @throws Refusal `invalid_request` (a budget above the rules), `idempotency_mismatch`; Unavailable when Postgres is away.
 */
export async function submitRun(
  deps: SubmitDeps,
  submission: Submission,
): Promise<{ run: RunRow; replayed: boolean }> {
  const { tenant } = submission;
  const fresh = newRun(submission, deps.rules);
  // Read before the commit: once the run exists nothing may fail that would make the client try again and have two.
  const { run, replayed } = await deps.records.transaction(async (tx) => {
    const earlier = await claimKey(tx, submission, fresh.id);
    if (earlier !== null) return { run: (await findRun(tx, tenant, earlier))!, replayed: true };
    await insertRun(tx, fresh);
    await append(tx, fresh.id, { attempt: 1, events: [createdEvent(fresh, submission.now)] });
    return { run: (await findRun(tx, tenant, fresh.id))!, replayed: false };
  });
  if (!replayed) {
    await deps.workflows
      .start({ ...fresh, origin: { type: 'api' } })
      .catch((error: unknown) => deps.onNotStarted(fresh.id, error));
  }
  return { run, replayed };
}

/** The id of the run that this key stands for already, or null when it is ours now. A second request waits here for the first. */
async function claimKey(tx: Tx, submission: Submission, run_id: string): Promise<string | null> {
  const { idempotency_key, tenant, body, now } = submission;
  if (idempotency_key === null) return null;
  const body_hash = createHash('sha256').update(canonical(body)).digest();
  const expires_at = new Date(now.getTime() + KEY_LIVES_HOURS * 3_600_000);
  const claimed = await tx.query(
    `insert into idempotency_keys as k (tenant, route, key, body_hash, run_id, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (tenant, route, key) do update
       set body_hash = excluded.body_hash, run_id = excluded.run_id, created_at = excluded.created_at, expires_at = excluded.expires_at
       where k.expires_at <= $6
     returning run_id`,
    [tenant, ROUTE, idempotency_key, body_hash, run_id, now, expires_at],
  );
  if (claimed.length > 0) return null;
  const [earlier] = await tx.query<{ run_id: string; same: boolean }>(
    'select run_id, body_hash = $4 as same from idempotency_keys where tenant = $1 and route = $2 and key = $3',
    [tenant, ROUTE, idempotency_key, body_hash],
  );
  if (!earlier!.same) {
    throw new Refusal('idempotency_mismatch', 'An earlier request with this key had another body.');
  }
  return earlier!.run_id;
}

function newRun({ tenant, body, request_id, trace_id, now }: Submission, rules: Rules): NewRun {
  const budget = lowered(body.budget ?? {}, rules);
  return {
    id: newId('run'),
    tenant,
    user: body.user ?? null,
    goal: body.goal,
    given_plan: body.plan ?? null,
    rules: { ...rules, ...budget },
    budget,
    metadata: body.metadata ?? {},
    tags: [...new Set(body.tags)],
    request_id,
    trace_id,
    deadline_at: new Date(now.getTime() + budget.max_duration_s * 1_000),
  };
}

/** The budget of a run: what the client allows, which may not be more than the rules do. */
function lowered(wanted: NonNullable<SubmitRun['budget']>, rules: Rules): NewRun['budget'] {
  const parts = (['max_steps', 'max_duration_s'] as const)
    .filter((field) => (wanted[field] ?? 0) > rules[field])
    .map((field) => ({
      pointer: `/budget/${field}`,
      code: 'too_big',
      detail: `must be at most ${rules[field]}`,
    }));
  if (parts.length > 0)
    throw new Refusal('invalid_request', 'The budget asks for more than is allowed here.', parts);
  return {
    max_steps: wanted.max_steps ?? rules.max_steps,
    max_duration_s: wanted.max_duration_s ?? rules.max_duration_s,
  };
}

function createdEvent({ id, goal, user }: NewRun, now: Date) {
  const run = { id, goal, user, status: 'queued' as const, created_at: now.toISOString() };
  return { key: 'created', type: 'run.created' as const, data: { run } };
}

/** JSON with sorted keys: the order in which a client writes its fields does not make another body. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
