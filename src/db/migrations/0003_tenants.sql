-- The second wall between tenants: row-level security. The first is the predicate that every query of the API carries; this one holds
-- when a query forgets it.
--
-- Processes work as the role longhaul_app, never as the owner of the tables, to whom no policy applies. What a connection sees follows
-- from its setting longhaul.tenant: rows of that tenant; all rows for '*', which is what workers, the event hub and the reconciler set,
-- because they serve every tenant; no row when it is not set.

do $$ begin
  if not exists (select from pg_roles where rolname = 'longhaul_app') then
    create role longhaul_app nologin;
  end if;
exception when duplicate_object or unique_violation then null; -- another database of the cluster made it at this moment
end $$;
do $$ begin
  -- An owner who may not grant it finds it granted by whoever made it.
  if not pg_has_role(current_user, 'longhaul_app', 'member') then
    execute format('grant longhaul_app to %I', current_user);
  end if;
end $$;

alter table plans add column tenant text;
alter table steps add column tenant text;
alter table events add column tenant text;
alter table wishes add column tenant text;
update plans set tenant = runs.tenant from runs where runs.id = plans.run_id;
update steps set tenant = runs.tenant from runs where runs.id = steps.run_id;
update wishes set tenant = runs.tenant from runs where runs.id = wishes.run_id;
set local longhaul.retention = 'on';
update events set tenant = runs.tenant from runs where runs.id = events.run_id;
alter table plans alter column tenant set not null;
alter table steps alter column tenant set not null;
alter table events alter column tenant set not null;
alter table wishes alter column tenant set not null;

grant usage on schema public to longhaul_app;
grant select, insert, update, delete on all tables in schema public to longhaul_app;
alter default privileges in schema public grant select, insert, update, delete on tables to longhaul_app;

-- Asked once per statement, not per row.
do $$
declare
  walled text;
begin
  foreach walled in array array['runs', 'plans', 'steps', 'events', 'wishes', 'effects', 'api_keys', 'idempotency_keys', 'todos', 'model_calls']
  loop
    execute format('alter table %I enable row level security', walled);
    execute format(
      $policy$create policy tenant_wall on %I to longhaul_app
        using ((select current_setting('longhaul.tenant', true)) in (tenant, '*'))$policy$, walled);
  end loop;
end $$;

-- record() as before (0002), and events carry the tenant of their run.
create or replace function record(p_run_id text, p_attempt integer, p_events jsonb, p_change jsonb)
returns table (last_seq bigint, added integer, status text, wish text)
language plpgsql as $$
declare
  r runs%rowtype;
  e jsonb;
  full_key text;
  fresh integer := 0;
  over boolean;
begin
  select * into r from runs where runs.id = p_run_id for no key update;
  if not found then
    raise exception 'no run %', p_run_id using errcode = 'LH404';
  end if;
  if p_attempt is not null and p_attempt <> r.attempt then
    raise exception 'attempt % of run % is over', p_attempt, p_run_id using errcode = 'LH001';
  end if;
  over := r.status in ('completed', 'failed', 'cancelled', 'timed_out');

  for e in select * from jsonb_array_elements(p_events) loop
    full_key := r.attempt || ':' || (e->>'key');
    continue when exists (select 1 from events where events.run_id = p_run_id and events.key = full_key);
    if over then
      raise exception 'run % is over', p_run_id using errcode = 'LH002';
    end if;
    if r.status = 'cancelling' and e->>'type' = 'run.completed' then
      raise exception 'run % is being cancelled', p_run_id using errcode = 'LH003';
    end if;
    fresh := fresh + 1;
    r.last_seq := r.last_seq + 1;
    insert into events (run_id, tenant, seq, key, id, type, attempt, step_id, data)
      values (p_run_id, r.tenant, r.last_seq, full_key, e->>'id', e->>'type', r.attempt, e->>'step_id', e->'data');
    over := e->>'type' in ('run.completed', 'run.failed', 'run.cancelled', 'run.timed_out');
  end loop;

  if fresh > 0 then
    r := jsonb_populate_record(r, p_change);
    update runs set
      status = r.status, phase = r.phase, status_reason = r.status_reason, plan_version = r.plan_version, rounds = r.rounds,
      answer = r.answer, error = r.error, usage = r.usage, attempt = r.attempt, execution = r.execution,
      started_at = r.started_at, finished_at = r.finished_at, last_seq = r.last_seq,
      revision = r.revision + 1, updated_at = clock_timestamp()
    where runs.id = p_run_id;
    perform pg_notify('longhaul_events', p_run_id);
  end if;

  return query select r.last_seq, fresh, r.status,
    (select w.kind from wishes w where w.run_id = p_run_id and w.attempt = r.attempt and w.closed_at is null
     order by w.created_at limit 1);
end $$;
