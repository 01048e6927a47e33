import type { Tx } from './tx';

/** Runs of a tenant that are looked at, the newest: two looks at indexes, however many there are. */
const RUNS = 200;

/** The median of what tools took in the newest runs of a tenant, seconds by tool; tools that were not used are missing. */
export async function readToolDurations(
  db: Tx,
  tenant: string,
  tools: readonly string[],
): Promise<Map<string, number>> {
  const rows = await db.query<{ tool: string; seconds: number }>(
    `select tool, percentile_cont(0.5) within group (order by duration_ms) / 1000 as seconds
     from steps
     where run_id in (select id from runs where tenant = $1 order by id desc limit ${RUNS})
       and tenant = $1 and tool = any($2) and status = 'completed' and not reused
     group by tool`,
    [tenant, tools],
  );
  return new Map(rows.map(({ tool, seconds }) => [tool, seconds]));
}
