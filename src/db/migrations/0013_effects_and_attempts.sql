-- Effects that are made once, questions for people, and runs that an operator has reset.

-- What a tool did stays done when the run that did it is removed: a restart of it still finds its effects. Who removes a run removes the
-- effects that no other run's step refers to by its scope.
alter table effects
  drop constraint effects_run_id_fkey,
  add column tool text not null default '';
create index steps_by_effect_scope on steps (effect_scope) where effect <> 'pure';

-- A wish may be about a part of the run: the answer to one question about one start of a step.
alter table wishes
  add column subject text not null default '',             -- '' for the run as a whole; else step id and fence
  drop constraint wishes_run_id_attempt_kind_key,
  add unique (run_id, attempt, kind, subject);

alter table runs add column past_executions text[] not null default '{}';  -- Temporal's run ids before `execution`: what they write is refused
-- Fence at which the attempt of the run took the step up: starts before it are of older attempts, and none of them was lost.
alter table steps add column fences_before integer not null default 0;

-- record() as before (0003), and three things besides. `run.reopened` begins the next attempt: it may follow the end of the one before, and
-- its key is the first of the new one. What it changes may be the executions and the deadline too. The wish that every writer heeds is the
-- cancellation: the answer to a question concerns none but the step that asked.
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
    if e->>'type' = 'run.reopened' then
      r.attempt := r.attempt + 1;
      over := false;
    end if;
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
      past_executions = r.past_executions, deadline_at = r.deadline_at,
      started_at = r.started_at, finished_at = r.finished_at, last_seq = r.last_seq,
      revision = r.revision + 1, updated_at = clock_timestamp()
    where runs.id = p_run_id;
    perform pg_notify('longhaul_events', p_run_id);
  end if;

  return query select r.last_seq, fresh, r.status,
    (select w.kind from wishes w
     where w.run_id = p_run_id and w.attempt = r.attempt and w.kind = 'cancel' and w.closed_at is null limit 1);
end $$;

-- write_step() as before (0002); a step that waits for a person has not ended either.
create or replace function write_step(p_run_id text, p_plan_version integer, p_step_id text, p_fence integer, p_change jsonb)
returns boolean language plpgsql as $$
begin
  update steps set
    status = p_change->>'status',
    status_reason = p_change->>'status_reason',
    input = coalesce(p_change->'input', input),
    input_hash = coalesce(p_change->>'input_hash', input_hash),
    output = p_change->'output',
    failure = p_change->'failure',
    duration_ms = (p_change->>'duration_ms')::integer,
    tries = tries + coalesce((p_change->>'failed_tries')::integer, 0),
    started_at = coalesce(started_at, now()),
    finished_at = case when p_change->>'status' in ('retrying', 'waiting') then null else clock_timestamp() end
  where run_id = p_run_id and plan_version = p_plan_version and id = p_step_id and (p_fence is null or fence = p_fence)
    and status in ('pending', 'running', 'retrying');
  return found;
end $$;

-- create_run() as before (0007); a restart or a fork says what it comes from.
create or replace function create_run(p_run jsonb, p_events jsonb) returns setof runs language plpgsql as $$
declare
  r runs%rowtype := jsonb_populate_record(null::runs, p_run);
begin
  insert into runs (id, tenant, "user", goal, given_plan, rules, budget, metadata, tags, request_id, trace_id, deadline_at, origin, root_run_id)
    values (r.id, r.tenant, r."user", r.goal, r.given_plan, r.rules, r.budget, r.metadata, r.tags, r.request_id, r.trace_id, r.deadline_at,
      coalesce(r.origin, '{"type": "api", "run_id": null, "from": null}'), coalesce(r.root_run_id, r.id));
  perform record(r.id, 1, p_events, '{}');
  return query select * from runs where id = r.id;
end $$;
