import type { Fact } from '../contracts/fact';
import type { Failure } from '../contracts/failure';
import { Refusal } from '../contracts/refusal';
import type { Spending } from '../contracts/model';
import type { RunStatus } from '../contracts/run-status';
import type { WishKind } from '../contracts/step-result';
import { DATABASE_NOW } from '../db/database-now';
import { newId } from '../db/new-id';
import type { NewPlan } from '../db/plans';
import { RUN_COLUMNS, findRun, type NewRun, type RunRow } from '../db/runs';
import { claimOf, datedKey, type RequestKey } from '../db/request-keys';
import type { StepChange, StepRef } from '../db/steps';
import type { Tx } from '../db/tx';
import { MAX_CARRIED_BYTES } from './step-facts';

/** A fact to be appended. `key` names the fact within the attempt of its run: the same key is the same fact, stored once. */
export type NewEvent = Fact & { key: string };

/** Columns of the run that change together with the facts. */
export interface RunChange {
  status?: RunStatus;
  phase?: string | null;
  status_reason?: string | null;
  plan_version?: number;
  rounds?: number;
  answer?: string | null;
  error?: Failure | null;
  usage?: Spending;
  execution?: string;
  past_executions?: string[];
  deadline_at?: string;
  started_at?: string;
  finished_at?: string | null;
}

/** The row of a new run: its time begins when it is stored, by the clock of the database, whatever that of the process says. */
const DATED_RUN = `$1::jsonb || jsonb_build_object(
  'deadline_at', now() + ($1::jsonb->'budget'->>'max_duration_s')::float8 * interval '1 second')`;
/** Its first fact: the moment in it is that of the row. */
const DATED_CREATED = `jsonb_set($2::jsonb, '{0,data,run,created_at}',
  to_jsonb(to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))`;

/** In the place of RUN_PROGRESS: a run that is stored this moment has no plan, so there is nothing to be counted. */
const NO_PROGRESS = 'cross join (select 0 as steps_total, 0 as steps_done) p';

/** SQLSTATE of take_run(): see migrations/0008_submit.sql. */
const TOO_MANY_OPEN = 'LH429';

/** How the run stands after the append. */
export interface Appended {
  last_seq: number;
  /** How many of the facts were new; 0 when this was a repetition. */
  added: number;
  status: RunStatus;
  /** The open wish of the run, so that every writer notices it. */
  wish: WishKind | null;
}

/** Errors that record() raises, by SQLSTATE: see migrations/0002_record.sql. */
const REFUSALS = {
  LH404: ['not_found', 'There is no such run.'],
  LH001: ['superseded', 'A newer attempt of the run has taken over.'],
  LH002: ['run_over', 'The run has already ended.'],
  LH003: ['run_cancelling', 'The run is being cancelled.'],
} as const;

/**
 * Appends facts to a run's log and changes the run with them, in the caller's transaction, or in one of its own. The last
 * statement of a transaction: it locks the run's row until the commit, gives the numbers 1, 2, 3 … under that lock and tells listeners.
 * @param attempt attempt of the run the writer belongs to; null for writers from outside (the API).
 * @throws Refusal `run_over`, `run_cancelling`, `superseded`, `not_found`; the transaction is then to be rolled back.
 */
export async function append(
  tx: Tx,
  run_id: string,
  { attempt, events, change = {} }: { attempt: number | null; events: NewEvent[]; change?: RunChange },
): Promise<Appended> {
  const values = [run_id, attempt, withIds(events), JSON.stringify(change)];
  const statement = 'select last_seq, added, status, wish from record($1, $2, $3, $4)';
  return (await appended(tx, statement, values, { run_id, events }))!;
}

/**
 * Stores how a start of a step went on together with its facts, in one statement: it needs no transaction around it, and may stand in one.
 * @param fence number of the start that writes; null for instant work, where the first outcome wins
 * @returns null when the step has ended or a newer start has taken over; then nothing was stored.
 * @throws Refusal as `append`
 */
export function appendOutcome(
  tx: Tx,
  { run_id, plan_version, step_id }: StepRef,
  {
    fence,
    change,
    attempt,
    events,
  }: { fence: number | null; change: StepChange; attempt: number; events: NewEvent[] },
): Promise<Appended | null> {
  const statement = 'select last_seq, added, status, wish from record_step($1, $2, $3, $4, $5, $6, $7)';
  const values = [run_id, plan_version, step_id, fence, JSON.stringify(change), attempt, withIds(events)];
  return appended(tx, statement, values, { run_id, events });
}

/**
 * Stores what a submit stores, in one statement: a new run with its first fact, and the key of its request where it has one.
 * @param open_runs of the tenant at most, this one among them
 * @returns the run; or why nothing was stored
 */
export async function appendRun(
  tx: Tx,
  run: NewRun,
  { key, open_runs }: { key: RequestKey | null; open_runs: number },
): Promise<RunRow | 'key_taken' | 'too_many_open'> {
  const claim = key && claimOf(key);
  try {
    const [row] = await tx.query<RunRow>(
      `select ${RUN_COLUMNS} from take_run(${DATED_RUN}, ${DATED_CREATED}, ${datedKey('$3')}, $4) r ${NO_PROGRESS}`,
      [JSON.stringify(run), firstFact(run), claim, open_runs],
    );
    if (row === undefined) return 'key_taken';
    tx.announce?.({ run_id: run.id, facts: [created(run, row.created_at.toISOString())] });
    return row;
  } catch (error) {
    if ((error as { code?: string }).code === TOO_MANY_OPEN) return 'too_many_open';
    throw error;
  }
}

/** What a run takes over from another one when it is stored: its plan, steps and their facts. */
export interface TakenOver {
  from: { run_id: string; version: number };
  plan: Pick<NewPlan, 'version' | 'source' | 'steps' | 'outline' | 'content_hash'>;
  /** Rows of `steps`; those that are `reused` get what the step of that id came to. */
  steps: object[];
  created: NewEvent;
  /** Of the steps that are taken over, in the order in which they ended. Outputs are put in where they are. */
  ended: NewEvent[];
}

/**
 * Stores a run that repeats another one, in the caller's transaction: with its first fact and what it takes over.
 * @param open_runs of the tenant at most, this one among them
 * @returns the run; or why the transaction is to be rolled back
 */
export async function appendRerun(
  tx: Tx,
  run: NewRun,
  { taken, open_runs }: { taken: TakenOver | null; open_runs: number },
): Promise<RunRow | 'too_many_open'> {
  await tx.query(`select from create_run(${DATED_RUN}, ${DATED_CREATED})`, [
    JSON.stringify(run),
    firstFact(run),
  ]);
  if (taken !== null) {
    const { from, plan, steps, ended } = taken;
    const events = withIds([taken.created, ...ended]);
    await tx.query('select take_over($1, $2, $3, $4, $5, $6, $7)', [
      run.id,
      from.run_id,
      from.version,
      JSON.stringify(plan),
      JSON.stringify(steps),
      events,
      MAX_CARRIED_BYTES,
    ]);
  }
  try {
    await tx.query('select refuse_too_many_open($1, $2)', [run.tenant, open_runs]);
  } catch (error) {
    if ((error as { code?: string }).code === TOO_MANY_OPEN) return 'too_many_open';
    throw error;
  }
  const row = (await findRun(tx, run.tenant, run.id))!;
  // What its steps had come to is no news to those who watch: nobody did it now.
  const facts = [created(run, row.created_at.toISOString()), ...(taken === null ? [] : [taken.created])];
  tx.announce?.({ run_id: run.id, facts });
  return row;
}

/** As it is sent to the database, which puts the moment in. */
function firstFact(run: NewRun): string {
  return withIds([created(run, DATABASE_NOW)]);
}

function created({ id, goal, user, origin }: NewRun, created_at: string): NewEvent {
  const run = { id, goal, user, status: 'queued' as const, created_at, ...(origin && { origin }) };
  return { key: 'created', type: 'run.created', data: { run } };
}

/**
 * Stores the outcome of a round with its steps and its facts, in one statement, as `appendOutcome` does.
 * @param steps rows of `stepRows`
 * @returns null when an outcome is stored that counts; then nothing was stored. What does not count is a failure of an older attempt.
 * @throws Refusal as `append`
 */
export function appendPlan(
  tx: Tx,
  { run_id, version, attempt, decision, ...plan }: NewPlan,
  steps: object[],
  { events, change }: { events: NewEvent[]; change: RunChange },
): Promise<Appended | null> {
  const statement = 'select last_seq, added, status, wish from record_plan($1, $2, $3, $4, $5, $6, $7)';
  const values = [
    run_id,
    version,
    JSON.stringify({ ...plan, ...decision }),
    JSON.stringify(steps),
    attempt,
    withIds(events),
    JSON.stringify(change),
  ];
  return appended(tx, statement, values, { run_id, events });
}

function withIds(events: NewEvent[]): string {
  return JSON.stringify(events.map((event) => ({ id: newId('evt'), ...event })));
}

async function appended(
  tx: Tx,
  statement: string,
  values: unknown[],
  { run_id, events }: { run_id: string; events: NewEvent[] },
): Promise<Appended | null> {
  try {
    const [row] = await tx.query<Omit<Appended, 'last_seq'> & { last_seq: string }>(statement, values);
    if (row === undefined) return null;
    // What a repetition tells again comes first: the last ones are those that are new.
    if (row.added > 0) tx.announce?.({ run_id, facts: events.slice(-row.added) });
    return { ...row, last_seq: Number(row.last_seq) };
  } catch (error) {
    const refusal = REFUSALS[(error as { code?: keyof typeof REFUSALS }).code!];
    if (refusal === undefined) throw error;
    throw new Refusal(refusal[0], refusal[1]);
  }
}
