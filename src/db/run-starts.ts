import type { RunRow } from './runs';
import type { Tx } from './tx';

/** Committed, and nobody has noted that Temporal knows it. */
const UNSTARTED = `status = 'queued' and workflow_started_at is null`;
/** How long a claim holds: longer than a start may take. */
const CLAIM = `interval '3 seconds'`;
/**
 * Claimed by one who may still be at it. A claim that ends much later than one of now would is from before the clock was set back: it is
 * over. Some later is one of a statement that began after this one and was quicker.
 */
const CLAIMED = `coalesce(claimed_until between now() and now() + ${CLAIM} + interval '10 seconds', false)`;
const UNCLAIMED = `${UNSTARTED} and not ${CLAIMED}`;

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
 * seconds. Tenants take turns, the oldest run of each first, and what is claimed of one counts as turns it had: a flood of one does not keep
 * the others' runs waiting. Costs a look at an index for each tenant that waits. Rows that somebody holds are left for the next look.
 * @param namespace_id of the Temporal that they are to be handed over to; null where it is not known
 */
export function claimUnstartedRuns(
  db: Tx,
  limit: number,
  namespace_id: string | null,
): Promise<UnstartedRun[]> {
  return db.query<UnstartedRun>(
    `with recursive waiting as (
       (select tenant from runs where ${UNSTARTED} order by tenant limit 1)
       union all
       select (select r.tenant from runs r where ${UNSTARTED} and r.tenant > waiting.tenant order by r.tenant limit 1)
       from waiting where waiting.tenant is not null
     ), next as (
       select oldest.id from waiting cross join lateral (
         select id, created_at, row_number() over (order by created_at)
           + (select count(*) from runs where ${UNSTARTED} and ${CLAIMED} and tenant = waiting.tenant) as turn
         from (select id, created_at from runs where ${UNCLAIMED} and tenant = waiting.tenant order by created_at limit $1) of_tenant
       ) oldest order by turn, created_at limit $1
     ), free as (
       select id from runs where id in (select id from next) and ${UNCLAIMED} order by id for no key update skip locked
     )
     update runs set claimed_until = now() + ${CLAIM}, temporal_namespace = $2 where id in (select id from free)
     returning id, tenant, goal, rules, deadline_at, origin, request_id, trace_id, attempt, deadline_at < now() as late`,
    [limit, namespace_id],
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
