import type { RunRow } from './runs';
import type { Tx } from './tx';

/** Committed, and not known to Temporal as far as we know. */
const UNSTARTED = `status = 'queued' and workflow_started_at is null`;
/** How long a claim holds: well beyond the second that Temporal gets for a start. */
const CLAIM = `interval '3 seconds'`;
/** A claim that lasts longer than one does was made before the clock was set back. */
const UNCLAIMED = `${UNSTARTED} and coalesce(claimed_until not between now() and now() + ${CLAIM}, true)`;

/** A run that is to be handed over to Temporal. */
export interface UnstartedRun extends Pick<
  RunRow,
  'id' | 'tenant' | 'goal' | 'rules' | 'deadline_at' | 'origin' | 'request_id' | 'trace_id' | 'attempt'
> {
  /** Whether its time is over already. */
  late: boolean;
}

/**
 * Claims runs that wait to be handed over, so that no other worker starts them meanwhile; a claim that comes to nothing ends after some
 * seconds. Goes round the tenants, the oldest of each first: a flood of one does not keep the others' runs waiting. Costs a look at an
 * index for each tenant that waits.
 */
export function claimUnstartedRuns(db: Tx, limit: number): Promise<UnstartedRun[]> {
  return db.query<UnstartedRun>(
    `with recursive waiting as (
       (select tenant from runs where ${UNSTARTED} order by tenant limit 1)
       union all
       select (select r.tenant from runs r where ${UNSTARTED} and r.tenant > waiting.tenant order by r.tenant limit 1)
       from waiting where waiting.tenant is not null
     ), next as (
       select oldest.id from waiting cross join lateral (
         select id, created_at, row_number() over (order by created_at) as turn
         from (select id, created_at from runs where ${UNCLAIMED} and tenant = waiting.tenant order by created_at limit $1) of_tenant
       ) oldest order by turn, created_at limit $1
     )
     update runs set claimed_until = now() + ${CLAIM} where id in (select id from next) and ${UNCLAIMED}
     returning id, tenant, goal, rules, deadline_at, origin, request_id, trace_id, attempt, deadline_at < now() as late`,
    [limit],
  );
}

/** Notes that Temporal knows these runs; those that a worker has begun already need no note. */
export async function noteStarted(db: Tx, ids: readonly string[]): Promise<void> {
  await db.query(`update runs set workflow_started_at = now() where id = any($1) and ${UNSTARTED}`, [ids]);
}

/** Age of the oldest run that no worker has begun, seconds; 0 when there is none. Two looks at an index, whatever else is there. */
export async function queueAge(db: Tx): Promise<number> {
  const [row] = await db.query<{ age_s: number }>(
    `select coalesce(extract(epoch from clock_timestamp() - least(
       (select min(created_at) from runs where ${UNSTARTED}),
       (select min(created_at) from runs where status = 'queued' and workflow_started_at is not null))), 0)::float8 as age_s`,
  );
  return row!.age_s;
}
