-- Lists of runs: every order and filter of GET /v1/runs has an index, so that a page costs the same among a million runs.

drop index runs_by_tenant;
create index runs_by_time on runs (tenant, created_at desc, id desc);
create index runs_by_status on runs (tenant, status, created_at desc, id desc);
create index runs_superseded on runs (tenant, created_at desc, id desc) where superseded_by is not null;
create index runs_by_tag on runs using gin (tags);
-- Words of goals. An expression with statistics of its own: the planner knows which words are rare and which are in every goal.
create index runs_by_word on runs using gin (to_tsvector('simple', goal));

-- list_runs(): which runs are on a page of a tenant's list. Null filters nothing; p_from_at and p_from_id are the place to go on from.
--
-- It works with the rights of its owner, because row-level security bars GIN indexes: a policy comes before every condition whose operator
-- might tell what it was given, and neither `@>` nor `@@` is known not to, so each would be asked of every row. The wall is inside
-- instead: no row of a tenant that the connection does not see. Whoever calls it reads the rows themselves under the policy.
--
-- Planned anew each time, with the values in sight: a rare word is looked up and sorted, a common one found on the way through the newest
-- runs; a plan for both would be slow for one of them. Several statuses are a page of each, merged.
create function list_runs(
  p_tenant text, p_statuses text[], p_tag text, p_words text, p_created_after timestamptz, p_created_before timestamptz,
  p_superseded boolean, p_descending boolean, p_from_at timestamptz, p_from_id text, p_limit integer)
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
    || case when p_from_id is null then '' when p_descending then ' and (r.created_at, r.id) < ($6, $7)'
        else ' and (r.created_at, r.id) > ($6, $7)' end;
  if p_statuses is not null then
    select format('select * from (%s) pages', string_agg(format('(%s and r.status = %L%s)', page, status, ordered), ' union all ')) into page
      from unnest(p_statuses) as s (status);
  end if;
  return query execute page || ordered
    using p_tenant, p_tag, p_words, p_created_after, p_created_before, p_from_at, p_from_id, p_limit;
end $$;
revoke all on function list_runs from public;
grant execute on function list_runs to longhaul_app;
