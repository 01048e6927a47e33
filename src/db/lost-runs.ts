import { OPEN, type RunRow } from './runs';
import type { Tx } from './tx';

/** How long nothing was heard of a run before anybody asks whether its workflow is still there. */
const QUIET = `interval '1 minute'`;
/** How long the time of a run is over before it is ended by others than its workflow. */
const LATE = `interval '1 minute'`;

/** Open, handed over to Temporal, and not heard of since. */
const UNHEARD = `${OPEN} and (status <> 'queued' or workflow_started_at is not null)
  and greatest(updated_at, workflow_started_at) < now() - ${QUIET}`;

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

/** A run of which nothing was heard, with all that it takes to start it again or to end it. */
export interface UnheardRun extends Pick<
  RunRow,
  'id' | 'tenant' | 'goal' | 'rules' | 'origin' | 'request_id' | 'trace_id' | 'attempt' | 'status'
> {
  /** Temporal's run id of who works on it; null where nobody has begun. */
  execution: string | null;
  /** When it is to be over if it is started again now: what it waited for people is not known, so it has its whole time. */
  deadline_at: Date;
  /** The limit that it is beyond by a minute; a run that waits for a person is held to what it may wait since it was heard of. */
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
    `select id, tenant, goal, rules, origin, request_id, trace_id, attempt, status, execution,
       now() + (rules->>'max_duration_s')::float8 * interval '1 second' as deadline_at,
       case
         when status <> 'waiting' and deadline_at < now() - ${LATE}
           then jsonb_build_object('kind', 'max_duration_s', 'value', rules->'max_duration_s')
         when status = 'waiting' and updated_at + allowed.wait_s * interval '1 second' < now() - ${LATE}
           then jsonb_build_object('kind', 'max_wait_s', 'value', allowed.wait_s)
       end as over
     from runs cross join lateral (select coalesce((rules->>'max_wait_s')::float8, $2) as wait_s) allowed
     where id = $1 and ${UNHEARD} for no key update of runs`,
    [run_id, max_wait_s],
  );
  return run;
}

/**
 * Notes that a run is carried out by another workflow than before, in the attempt that it is in: what is stored counts, what its old workflow
 * still writes is refused.
 * @param execution Temporal's run id of the new one; of a run that nobody had begun, the first activity notes it
 */
export async function noteStartedAgain(
  tx: Tx,
  { id, deadline_at }: Pick<UnheardRun, 'id' | 'deadline_at'>,
  execution: string,
): Promise<void> {
  await tx.query(
    `update runs set execution = case when execution is not null then $2 end,
       past_executions = case when execution <> $2 then past_executions || execution else past_executions end,
       deadline_at = $3, workflow_started_at = now(), revision = revision + 1, updated_at = clock_timestamp()
     where id = $1`,
    [id, execution, deadline_at],
  );
}
