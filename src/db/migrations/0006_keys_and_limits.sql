-- Keys that are rotated, limits of requests, the open runs of a tenant.

-- A key has one secret, and while it is being rotated the one before as well. Two columns, not a table of secrets: there are never more than two.
alter table api_keys
  add column previous_prefix text,
  add column previous_hash bytea unique,
  add column previous_expires_at timestamptz,
  add column limits jsonb not null default '{}';         -- requests a minute where they differ from the settings: {"submits": 100}
create index api_keys_by_tenant on api_keys (tenant, id desc);

-- How many requests of a kind a key has made in its current minute, over all processes. Unlogged: it is written with almost every
-- request, and a crash that empties it costs no more than a minute's count. One row a key and kind, so it needs no clearing.
create unlogged table rate_windows (
  key_id text not null references api_keys on delete cascade,
  kind text not null,                                    -- submits, writes, reads, streams
  tenant text not null,
  used bigint not null,                                  -- may go beyond the limit: what was asked for, not what was granted
  ends_at timestamptz not null,
  primary key (key_id, kind)
) with (fillfactor = 50);                                -- room on the page for the next version of a row: no index is touched
alter table rate_windows enable row level security;
create policy tenant_wall on rate_windows to longhaul_app
  using ((select current_setting('longhaul.tenant', true)) in (tenant, '*'));

-- take_from_window(): takes p_count requests out of the minute that is open, or opens the next one. One statement on one row, whose lock
-- puts the processes in order, and the clock is the database's: so the count is exact however many processes there are.
create function take_from_window(p_key_id text, p_kind text, p_tenant text, p_count integer, p_window_ms integer)
returns table (used bigint, left_ms float8)
language sql as $$
  insert into rate_windows as w (key_id, kind, tenant, used, ends_at)
  values (p_key_id, p_kind, p_tenant, p_count, clock_timestamp() + p_window_ms * interval '1 millisecond')
  on conflict (key_id, kind) do update set
    used = case when w.ends_at <= clock_timestamp() then excluded.used else w.used + excluded.used end,
    ends_at = case when w.ends_at <= clock_timestamp() then excluded.ends_at else w.ends_at end
  returning w.used, extract(epoch from w.ends_at - clock_timestamp())::float8 * 1000
$$;

-- The open runs of a tenant are counted, not kept: a count cannot drift.
create index runs_open on runs (tenant) where status in ('queued', 'running', 'waiting', 'paused', 'cancelling');

-- count_open_runs(): how many runs of a tenant are open, at most p_most, with those of the asking transaction. Until it ends no other may
-- count for this tenant, so of two that both see the last free place one waits and sees it taken. Volatile PL/pgSQL on purpose: the count
-- sees what was committed before the lock was granted. Call it last: the lock is then held for little more than the commit.
create function count_open_runs(p_tenant text, p_most integer) returns integer
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(7240006, hashtext(p_tenant));
  return (select count(*) from (
    select from runs where tenant = p_tenant and status in ('queued', 'running', 'waiting', 'paused', 'cancelling') limit p_most) open);
end $$;
