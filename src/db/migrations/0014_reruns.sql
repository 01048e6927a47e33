-- Restarts and forks: runs that take over what another run has done.

-- claim_key(): keeps the key of a request for a run that is stored later in this transaction. A second request with the same key waits here
-- for the first. p_key: columns of idempotency_keys. False when the key is taken by another run.
create function claim_key(p_run_id text, p_key jsonb) returns boolean language plpgsql as $$
declare
  k idempotency_keys%rowtype := jsonb_populate_record(null::idempotency_keys, p_key);
begin
  insert into idempotency_keys as kept (tenant, route, key, body_hash, run_id, created_at, expires_at)
    values (k.tenant, k.route, k.key, k.body_hash, p_run_id, k.created_at, k.expires_at)
    on conflict (tenant, route, key) do update set
      body_hash = excluded.body_hash, run_id = excluded.run_id, created_at = excluded.created_at, expires_at = excluded.expires_at
      where kept.expires_at <= excluded.created_at;
  return found;
end $$;

-- refuse_too_many_open(): raises LH429 where a tenant has more than p_most open runs, with those of this transaction. Call it last, as
-- count_open_runs() says.
create function refuse_too_many_open(p_tenant text, p_most integer) returns void language plpgsql as $$
begin
  if count_open_runs(p_tenant, p_most + 1) > p_most then
    raise exception 'tenant % has % open runs', p_tenant, p_most using errcode = 'LH429';
  end if;
end $$;

-- take_run() as before (0008), made of the two above.
create or replace function take_run(p_run jsonb, p_events jsonb, p_key jsonb, p_open_runs integer) returns setof runs language plpgsql as $$
begin
  if p_key is not null and not claim_key(p_run->>'id', p_key) then
    return;
  end if;
  return query select * from create_run(p_run, p_events);
  perform refuse_too_many_open(p_run->>'tenant', p_open_runs);
end $$;

-- take_over(): the plan of a run that repeats another one, with its steps and facts. Steps that are `reused` get what the step of that id
-- came to in the other run; it stays in the database, since there may be 1 MB of it a step.
--
--   p_plan    columns of plans
--   p_steps   columns of steps, one object a step; a status where it ends as skipped at once
--   p_events  as record() takes them; `step.completed` without its output, which is put in here, or, beyond p_most_bytes, where to read it
create function take_over(
  p_run_id text, p_from text, p_from_version integer, p_plan jsonb, p_steps jsonb, p_events jsonb, p_most_bytes integer)
returns void language plpgsql as $$
declare
  p plans%rowtype := jsonb_populate_record(null::plans, p_plan);
begin
  insert into plans (run_id, tenant, version, source, steps, outline, content_hash, attempt)
    select p_run_id, tenant, p.version, p.source, p.steps, p.outline, p.content_hash, 1 from runs where id = p_run_id;
  insert into steps (run_id, tenant, plan_version, attempt, effect_scope, reused, id, position, title, tool, tool_version, lane, effect, spec,
      needs, status, status_reason, tries, input, input_hash, output, started_at, finished_at, duration_ms)
    select p_run_id, r.tenant, p.version, 1, s.effect_scope, s.reused, s.id, s.position, s.title, s.tool, s.tool_version, s.lane, s.effect,
      s.spec, s.needs, coalesce(o.status, s.status, 'pending'), coalesce(o.status_reason, s.status_reason), coalesce(o.tries, 0), o.input,
      o.input_hash, o.output, o.started_at, coalesce(o.finished_at, case when s.status is not null then now() end), o.duration_ms
    from jsonb_populate_recordset(null::steps, p_steps) s
    join runs r on r.id = p_run_id
    left join steps o on s.reused and o.run_id = p_from and o.plan_version = p_from_version and o.id = s.id;
  perform record(p_run_id, 1,
    (select jsonb_agg(case when e->>'type' <> 'step.completed' then e else jsonb_set(e, '{data}', e->'data' ||
        case when octet_length(s.output::text) <= p_most_bytes then jsonb_build_object('output', s.output)
        else jsonb_build_object('output_ref', jsonb_build_object(
          'bytes', octet_length(s.output::text), 'url', '/v1/runs/' || p_run_id || '/steps/' || s.id)) end) end order by at)
      from jsonb_array_elements(p_events) with ordinality as facts (e, at)
      left join steps s on s.run_id = p_run_id and s.plan_version = p.version and s.id = e->>'step_id'),
    jsonb_build_object('plan_version', p.version, 'rounds', p.version));
end $$;
