-- Runs that Temporal has lost, because its store was wiped or restored from an older backup, are started again.

-- Id of the namespace of Temporal that a run was started in: a new store has another one under the same name. Another one does not know the
-- run either, which may go on where it was started. Null: not known; 'any': whichever answers.
alter table runs add column temporal_namespace text;

-- As before (0006), and in the order in which the reconciler goes round the open runs: those that are over cost it nothing.
create index runs_open_in_order on runs (tenant, id) where status in ('queued', 'running', 'waiting', 'paused', 'cancelling');
drop index runs_open;
alter index runs_open_in_order rename to runs_open;

-- record() as before (0013), and one thing besides: where a run was started again, its attempt stays, so a writer that says which execution it
-- is of is held against those before, under the lock.
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
  if p_change->>'execution' = any (r.past_executions) then
    raise exception 'execution % of run % is over', p_change->>'execution', p_run_id using errcode = 'LH001';
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
