-- Lineage in lists: how a run came about, and which runs repeat one first run.

-- In the order of the list: a lineage may have as many runs as anybody likes to restart.
drop index runs_superseding;
create index runs_by_root on runs (root_run_id, created_at desc, id desc);
create index runs_by_origin on runs (tenant, (origin->>'type'), created_at desc, id desc);

-- list_runs() as before (0004), with two filters more.
drop function list_runs;
create function list_runs(
  p_tenant text, p_statuses text[], p_tag text, p_words text, p_created_after timestamptz, p_created_before timestamptz,
  p_superseded boolean, p_origin text, p_root text, p_descending boolean, p_from_at timestamptz, p_from_id text, p_limit integer)
returns table (id text, created_at timestamptz)
language plpgsql stable security definer rows 20 set search_path = public, pg_temp as $$
declare
  ordered text := case when p_descending then ' order by created_at desc, id desc' else ' order by created_at, id' end || ' limit $8';
  page text := 'select r.id, r.created_at from runs r where r.tenant = $1';
begin
  if coalesce(current_setting('longhaul.tenant', true), '') not in (p_tenant, '*') then
    return;
  end if;
  page := page
    || case when p_tag is not null then ' and r.tags @> array[$2]' else '' end
    || case when p_words is not null then $q$ and to_tsvector('simple', r.goal) @@ websearch_to_tsquery('simple', $3)$q$ else '' end
    || case when p_created_after is not null then ' and r.created_at > $4' else '' end
    || case when p_created_before is not null then ' and r.created_at < $5' else '' end
    || case p_superseded when true then ' and r.superseded_by is not null' when false then ' and r.superseded_by is null' else '' end
    || case when p_origin is not null then $q$ and r.origin->>'type' = $9$q$ else '' end
    || case when p_root is not null then ' and r.root_run_id = $10' else '' end
    || case when p_from_id is null then '' when p_descending then ' and (r.created_at, r.id) < ($6, $7)'
        else ' and (r.created_at, r.id) > ($6, $7)' end;
  if p_statuses is not null then
    select format('select * from (%s) pages', string_agg(format('(%s and r.status = %L%s)', page, status, ordered), ' union all ')) into page
      from unnest(p_statuses) as s (status);
  end if;
  return query execute page || ordered
    using p_tenant, p_tag, p_words, p_created_after, p_created_before, p_from_at, p_from_id, p_limit, p_origin, p_root;
end $$;
revoke all on function list_runs from public;
grant execute on function list_runs to longhaul_app;
