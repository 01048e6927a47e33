import { OPEN, type RunRow } from './runs';
import type { Tx } from './tx';

/** How long nothing was heard of a run before anybody asks whether its workflow is still there. */
const QUIET = `interval '1 minute'`;
/** How much longer than it may take a run is not heard of before it is ended by others than its workflow. */
const LATE = `interval '1 minute'`;

/** Open, handed over to Temporal, and not heard of since. */
const UNHEARD = `${OPEN} and (status <> 'queued' or workflow_started_at is not null)
  and greatest(updated_at, workflow_started_at) < now() - ${QUIET}`;

/** In the place of a namespace's id: whichever Temporal answers is the one that had the run. */
export const ANY_NAMESPACE = 'any';

/** A run in the order in which they are gone round. */
export interface RunPlace {
  tenant: string;
  id: string;
}

/** The next runs of which nothing was heard for a minute. Costs a look at the open ones among them, whatever has ended. */
export function unheardRuns(db: Tx, after: RunPlace, limit: number): Promise<RunPlace[]> {
  return db.query<RunPlace>(
    `select tenant, id from runs where ${UNHEARD} and (tenant, id) > ($1, $2) order by tenant, id limit $3`,
    [after.tenant, after.id, limit],
  );
}

/** Notes in which namespace of Temporal the workflows of these runs are. */
export async function noteNamespace(db: Tx, ids: readonly string[], namespace_id: string): Promise<void> {
  await db.query(
    'update runs set temporal_namespace = $2 where id = any($1) and temporal_namespace is distinct from $2',
    [ids, namespace_id],
  );
}

/**
 * Says that the runs that are open belong to this namespace of Temporal, wherever they were started.
 * @param namespace_id or `ANY_NAMESPACE`
 * @returns how many of them belonged to another one
 */
export async function adoptRuns(db: Tx, namespace_id: string): Promise<number> {
  const [row] = await db.query<{ adopted: number }>(
    `with adopted as (
       update runs set temporal_namespace = $1 where ${OPEN} and temporal_namespace is distinct from $1 returning 1
     ) select count(*)::int as adopted from adopted`,
    [namespace_id],
  );
  return row!.adopted;
}

/** A run of which nothing was heard, with all that it takes to start it again or to end it. */
export interface UnheardRun extends Pick<
  RunRow,
  'id' | 'tenant' | 'goal' | 'rules' | 'origin' | 'request_id' | 'trace_id' | 'attempt' | 'status'
> {
  /** Temporal's run id of who works on it; null where nobody has begun, or it is being started again. */
  execution: string | null;
  /** Id of the namespace that it was started in, or `ANY_NAMESPACE`; null where it is not known. */
  temporal_namespace: string | null;
  /** When it is to be over if it is started again now: what it waited for people is not known, so it has its whole time. */
  deadline_at: Date;
  /**
   * The limit that it is beyond by a minute, counted from when it was last heard of: a run that waited for people has more time than its
   * row says, and never more than its whole time since then. One that waits for a person is held to what it may wait.
   */
  over: { kind: 'max_duration_s' | 'max_wait_s'; value: number } | null;
}

/**
 * The run, its row locked until the transaction ends; undefined where something was heard of it, or it is over.
 * @param max_wait_s what it may wait for one answer of a person where its rules say nothing
 */
export async function lockUnheard(
  tx: Tx,
  run_id: string,
  max_wait_s: number,
): Promise<UnheardRun | undefined> {
  const [run] = await tx.query<UnheardRun>(
    `select id, tenant, goal, rules, origin, request_id, trace_id, attempt, status, execution, temporal_namespace,
       now() + (rules->>'max_duration_s')::float8 * interval '1 second' as deadline_at,
       case when updated_at + allowed.value * interval '1 second' < now() - ${LATE}
         then jsonb_build_object('kind', allowed.kind, 'value', allowed.value) end as over
     from runs cross join lateral (
       select case when status = 'waiting' then 'max_wait_s' else 'max_duration_s' end as kind,
         case when status = 'waiting' then coalesce((rules->>'max_wait_s')::float8, $2) else (rules->>'max_duration_s')::float8 end as value
     ) allowed
     where id = $1 and ${UNHEARD} for no key update of runs`,
    [run_id, max_wait_s],
  );
  return run;
}

/**
 * Lets go of the execution that a run had, before another workflow is started in its place: whichever comes first from then on is the one it
 * has, in the attempt that it is in, and what the old one still writes is refused. When it was last heard of stays.
 */
export async function letGo(
  tx: Tx,
  { id, deadline_at }: Pick<UnheardRun, 'id' | 'deadline_at'>,
): Promise<void> {
  await tx.query(
    `update runs set execution = null,
       past_executions = case when execution is null then past_executions else past_executions || execution end,
       deadline_at = $2, workflow_started_at = now(), revision = revision + 1
     where id = $1`,
    [id, deadline_at],
  );
}

/**
 * Notes which workflow was started in the place of a lost one, unless it has begun by now and said so itself.
 * @param execution Temporal's run id of it; the one of before where Temporal had that after all
 */
export async function noteStartedAgain(db: Tx, run_id: string, execution: string): Promise<void> {
  await db.query(
    `update runs set execution = $2, past_executions = array_remove(past_executions, $2), updated_at = clock_timestamp()
     where id = $1 and execution is null and status <> 'queued'`,
    [run_id, execution],
  );
}
