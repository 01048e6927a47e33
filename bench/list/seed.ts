import type { Client } from 'pg';

export const LARGE = 'tenant_large';

/**
 * Inserts `count` runs: two thirds of the tenant LARGE, the rest of a hundred others, a second apart, as a service has them after a while.
 * Common to rare, of LARGE: status completed 90 %, failed 5 %, cancelled 4 %, timed_out 1 %, running 20 rows; tag `nightly` 30 %, `order` 1 %,
 * `rare` 20 rows; origin `restart` 2 %, `fork` 20 rows; one lineage of 1 %; word `calculate` in every goal, `invoice` in
 * 1 %, `zebra` in 20.
 */
export async function seed(client: Client, count: number): Promise<void> {
  await client.query("set longhaul.retention = 'on'"); // events may go
  await client.query('truncate runs cascade');
  await client.query(
    `insert into runs (id, tenant, status, tags, goal, created_at, updated_at, finished_at, superseded_by, rules, budget, plan_version,
       deadline_at, origin, root_run_id, answer)
     select id, tenant, status, tags, goal, at, at, at, case when n % 50 = 0 then 'run_x' end, '{"max_steps": 50, "judge_threshold": 0.8}',
       '{"max_steps": 50, "max_duration_s": 3600}', 1, at + interval '1 hour',
       jsonb_build_object('type', case when rare then 'fork' when n % 50 = 1 then 'restart' else 'api' end),
       case when n % 150 = 1 then 'run_' || lpad('9', 26, '0') else id end, 'The answer is ' || n
     from (
       select n, rare, 'run_' || lpad(n::text, 26, '0') as id,
         case when n % 3 < 2 then $2 else 'tenant_' || n % 100 end as tenant,
         case when rare then 'running' when p < 90 then 'completed' when p < 95 then 'failed' when p < 99 then 'cancelled' else 'timed_out' end
           as status,
         array_remove(array[case when n * 7919 % 10 < 3 then 'nightly' end, case when n * 104729 % 100 = 0 then 'order' end,
           case when rare then 'rare' end], null) as tags,
         'calculate ' || n || ' * ' || n % 977 || ' and tell the sum of all items' || case when n * 15485863 % 100 = 7 then ' of the invoice' else '' end
           || case when rare then ' for the zebra' else '' end as goal,
         timestamptz '2025-01-01' + n * interval '1 second' as at
       from (
         select n, n * 2654435761 % 100 as p, n % ($1 / 20) = 1 as rare from generate_series(1::bigint, $1) as n
       ) numbered
     ) made`,
    [count, LARGE],
  );
  await client.query('vacuum analyze runs');
}
