-- What instant work stores, in one statement each: a transaction of its own where none is around it.

-- record_plan(): stores the outcome of a round with its steps and, unless one is stored that still counts, record()s the facts of it.
-- Only a failure of an older attempt of the run is written over. No row when the outcome of another is stored.
--
--   p_plan   columns of plans, besides run_id, tenant and version
--   p_steps  columns of steps, one object a step, besides those of the run and the plan; empty when the plan will not be carried out
create function record_plan(
  p_run_id text, p_version integer, p_plan jsonb, p_steps jsonb, p_attempt integer, p_events jsonb, p_change jsonb)
returns table (last_seq bigint, added integer, status text, wish text) language plpgsql as $$
declare
  p plans%rowtype;
begin
  select tenant into p.tenant from runs where id = p_run_id;
  p := jsonb_populate_record(p, p_plan);
  insert into plans (run_id, tenant, version, source, steps, outline, findings, failure, content_hash, verdict, accepted, judged_by, judged_at,
      attempt, execution)
    values (p_run_id, p.tenant, p_version, p.source, p.steps, p.outline, p.findings, p.failure, p.content_hash, p.verdict, p.accepted,
      p.judged_by, case when p.verdict is null then null else now() end, p_attempt, p.execution)
    on conflict (run_id, version) do update
      set source = excluded.source, steps = excluded.steps, outline = excluded.outline, findings = excluded.findings,
        failure = excluded.failure, content_hash = excluded.content_hash, verdict = excluded.verdict, accepted = excluded.accepted,
        judged_by = excluded.judged_by, judged_at = excluded.judged_at, attempt = excluded.attempt, execution = excluded.execution
      where plans.failure is not null and plans.attempt < excluded.attempt;
  if not found then
    return;
  end if;
  insert into steps (run_id, tenant, plan_version, attempt, effect_scope, id, position, title, tool, tool_version, lane, effect, spec, needs)
    select p_run_id, p.tenant, p_version, p_attempt, p_run_id, s.id, s.position, s.title, s.tool, s.tool_version, s.lane, s.effect, s.spec, s.needs
    from jsonb_populate_recordset(null::steps, p_steps) s;
  return query select * from record(p_run_id, p_attempt, p_events, p_change);
end $$;

-- create_run(): a queued run, and record() of its first facts. p_run: columns of runs. Returns the row.
create function create_run(p_run jsonb, p_events jsonb) returns setof runs language plpgsql as $$
declare
  r runs%rowtype := jsonb_populate_record(null::runs, p_run);
begin
  insert into runs (id, tenant, "user", goal, given_plan, rules, budget, metadata, tags, request_id, trace_id, deadline_at, root_run_id)
    values (r.id, r.tenant, r."user", r.goal, r.given_plan, r.rules, r.budget, r.metadata, r.tags, r.request_id, r.trace_id, r.deadline_at, r.id);
  perform record(r.id, 1, p_events, '{}');
  return query select * from runs where id = r.id;
end $$;
