-- record(): the one way a run changes. Locks the run's row, refuses writers that are over, appends events, changes the row, tells listeners.
--
-- Call it as the last statement of a transaction: the lock is held from here to the commit. It is volatile PL/pgSQL on purpose: each
-- statement inside sees what was committed before the lock was granted. One combined SQL statement would look keys up in the
-- snapshot from before the lock and number a repeated fact twice.
--
--   p_attempt  the attempt of the run the writer belongs to, null: whatever the current one is
--   p_events   [{"key", "id", "type", "step_id"?, "data"}]; the attempt is put before the key; a known key is passed over
--   p_change   columns of runs to be set; passed over when every event was already there (a repetition changes nothing)
--
-- Returns the number of the last event, how many were new, the status and the kind of an open wish.
-- Raises LH404 no such run, LH001 an older attempt writes, LH002 the run is over, LH003 somebody wished it cancelled.
create function record(p_run_id text, p_attempt integer, p_events jsonb, p_change jsonb)
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
    insert into events (run_id, seq, key, id, type, attempt, step_id, data)
      values (p_run_id, r.last_seq, full_key, e->>'id', e->>'type', r.attempt, e->>'step_id', e->'data');
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

-- write_step(): how a start of a step went on. Refused, with false, when the step has ended or a newer start (a higher fence) has taken over.
-- p_fence is null for instant work, where the first outcome wins. Members of p_change that are absent leave input and input_hash as they are.
create function write_step(p_run_id text, p_plan_version integer, p_step_id text, p_fence integer, p_change jsonb)
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
    finished_at = case when p_change->>'status' = 'retrying' then null else clock_timestamp() end
  where run_id = p_run_id and plan_version = p_plan_version and id = p_step_id and (p_fence is null or fence = p_fence)
    and status in ('pending', 'running', 'retrying');
  return found;
end $$;

-- record_step(): write_step() and, unless it was refused, record(): checkpoint and facts in one statement, which is a transaction of its own
-- where none is around it. No row when it was refused.
create function record_step(
  p_run_id text, p_plan_version integer, p_step_id text, p_fence integer, p_change jsonb, p_attempt integer, p_events jsonb)
returns table (last_seq bigint, added integer, status text, wish text) language plpgsql as $$
begin
  if write_step(p_run_id, p_plan_version, p_step_id, p_fence, p_change) then
    return query select * from record(p_run_id, p_attempt, p_events, '{}');
  end if;
end $$;
