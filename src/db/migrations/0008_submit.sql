-- take_run(): what a submit stores, all or nothing, in one statement, which is a transaction of its own where none is around it: a run with
-- its first facts, the key of its request, and a look at how many runs its tenant has open by then.
--
-- A second request with the same key waits here for the first. Volatile PL/pgSQL on purpose, as record(): the count of open runs must see
-- what was committed before its lock was granted. It comes last, so that the lock is held for little more than the commit.
--
--   p_run   columns of runs
--   p_key   columns of idempotency_keys; null where the request has no key
--
-- Returns the row; none when the key is taken by another run, and then nothing is stored. Raises LH429 beyond p_open_runs open runs.
create function take_run(p_run jsonb, p_events jsonb, p_key jsonb, p_open_runs integer) returns setof runs language plpgsql as $$
declare
  k idempotency_keys%rowtype := jsonb_populate_record(null::idempotency_keys, p_key);
begin
  if p_key is not null then
    insert into idempotency_keys as kept (tenant, route, key, body_hash, run_id, created_at, expires_at)
      values (k.tenant, k.route, k.key, k.body_hash, p_run->>'id', k.created_at, k.expires_at)
      on conflict (tenant, route, key) do update set
        body_hash = excluded.body_hash, run_id = excluded.run_id, created_at = excluded.created_at, expires_at = excluded.expires_at
        where kept.expires_at <= excluded.created_at;
    if not found then
      return;
    end if;
  end if;
  return query select * from create_run(p_run, p_events);
  if count_open_runs(p_run->>'tenant', p_open_runs + 1) > p_open_runs then
    raise exception 'tenant % has % open runs', p_run->>'tenant', p_open_runs using errcode = 'LH429';
  end if;
end $$;
