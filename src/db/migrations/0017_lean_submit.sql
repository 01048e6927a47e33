-- A submit that costs less: what is new is written once, and not written, locked and changed.

-- create_run(): a new run with its first facts, in its first attempt. Nobody can hold it, have written to it or follow it before it is
-- committed: so nothing of record() is asked, and those who follow runs are not told.
--
--   p_run     columns of runs; what it comes from and its lineage only where it repeats another run
--   p_events  as record() takes them
create or replace function create_run(p_run jsonb, p_events jsonb) returns setof runs language plpgsql as $$
declare
  r runs%rowtype := jsonb_populate_record(null::runs, p_run);
begin
  insert into runs (id, tenant, "user", goal, given_plan, rules, budget, metadata, tags, request_id, trace_id, deadline_at, origin, root_run_id,
      last_seq)
    values (r.id, r.tenant, r."user", r.goal, r.given_plan, r.rules, r.budget, r.metadata, r.tags, r.request_id, r.trace_id, r.deadline_at,
      coalesce(r.origin, '{"type": "api", "run_id": null, "from": null}'), coalesce(r.root_run_id, r.id), jsonb_array_length(p_events))
    returning * into r;
  insert into events (run_id, tenant, seq, key, id, type, attempt, step_id, data)
    select r.id, r.tenant, e.seq, r.attempt || ':' || (e.fact->>'key'), e.fact->>'id', e.fact->>'type', r.attempt, e.fact->>'step_id', e.fact->'data'
    from jsonb_array_elements(p_events) with ordinality e (fact, seq);
  return next r;
end $$;

