-- A submit that costs less, and that goes on where a migration changes its tables.

-- create_run(): a new run with its first facts, in its first attempt. Nobody can hold it, have written to it or follow it before it is
-- committed: so nothing of record() is asked, and those who follow runs are not told.
--
--   p_run     columns of runs; what it comes from and its lineage only where it repeats another run
--   p_events  as record() takes them
drop function create_run;
create function create_run(p_run jsonb, p_events jsonb) returns runs language plpgsql as $$
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
  return r;
end $$;

-- take_run() as before (0014); it hands the row on as one value. A session plans a statement anew where a table that stands in it has changed,
-- not where only the row type of a function did: with the columns of create_run() selected, as they were, a connection that was open when
-- a migration changed runs took no run any more.
create or replace function take_run(p_run jsonb, p_events jsonb, p_key jsonb, p_open_runs integer) returns setof runs language plpgsql as $$
begin
  if p_key is not null and not claim_key(p_run->>'id', p_key) then
    return;
  end if;
  return next create_run(p_run, p_events);
  perform refuse_too_many_open(p_run->>'tenant', p_open_runs);
end $$;
