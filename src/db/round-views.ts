import type { PlanView, StepView, VerdictView } from '../contracts/round-views';
import type { Tx } from './tx';

// What clients see of the rounds of a run. Rows come in the shape of the API; times as RFC 3339 text.

type Row<T> = { [K in keyof T]: unknown };

/** The plans of a run, oldest first; one of them where `version` is given. */
export async function readPlanViews(
  db: Tx,
  tenant: string,
  run_id: string,
  version: number | null = null,
): Promise<PlanView[]> {
  const rows = await db.query<Row<PlanView>>(
    `select 'plan' as object, run_id, version, source, steps,
       coalesce((select jsonb_agg(jsonb_build_array(need, step->>'id') order by at, nth)
         from jsonb_array_elements(outline->'steps') with ordinality as s (step, at),
           jsonb_array_elements_text(step->'needs') with ordinality as n (need, nth)), '[]') as edges,
       findings, failure, content_hash, accepted, created_at
     from plans where tenant = $1 and run_id = $2 and ($3::integer is null or version = $3) order by version`,
    [tenant, run_id, version],
  );
  return inWords<PlanView>(rows);
}

/** The steps of a run in the order of its plan: those of the plan that is carried out, or of the newest one before that. */
export async function readStepViews(
  db: Tx,
  tenant: string,
  run_id: string,
  id: string | null = null,
): Promise<StepView[]> {
  const rows = await db.query<Row<StepView>>(
    `select 'step' as object, id, run_id, plan_version, position, title, tool, tool_version, lane, effect,
       (select e.status from effects e where e.effect_scope = steps.effect_scope and e.step_id = steps.id
        order by e.created_at desc limit 1) as effect_status, needs, status,
       status_reason, input, output, failure, tries, reused, started_at, finished_at, duration_ms
     from steps where tenant = $1 and run_id = $2 and ($3::text is null or id = $3)
       and plan_version = (select coalesce(r.plan_version, (select max(version) from plans where run_id = r.id))
         from runs r where r.id = $2 and r.tenant = $1)
     order by position`,
    [tenant, run_id, id],
  );
  return inWords<StepView>(rows);
}

/** What the judge said in each round, oldest first. */
export async function readVerdictViews(db: Tx, tenant: string, run_id: string): Promise<VerdictView[]> {
  const rows = await db.query<Row<VerdictView>>(
    `select 'verdict' as object, p.run_id, p.version as plan_version, v.is_valid, v.confidence, v.issues, v.suggestions,
       p.accepted, (r.rules->>'judge_threshold')::float8 as threshold, p.judged_by, p.judged_at
     from plans p join runs r on r.id = p.run_id
     cross join jsonb_to_record(p.verdict) as v (is_valid boolean, confidence float8, issues jsonb, suggestions jsonb)
     where p.tenant = $1 and p.run_id = $2 and p.verdict is not null order by p.version`,
    [tenant, run_id],
  );
  return inWords<VerdictView>(rows);
}

/** Dates become the text that clients get. */
function inWords<T>(rows: Row<T>[]): T[] {
  const inWord = ([name, value]: [string, unknown]) => [
    name,
    value instanceof Date ? value.toISOString() : value,
  ];
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(inWord)) as T);
}
