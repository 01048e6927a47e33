-- Lists of runs: every order and filter of GET /v1/runs has an index, so that a page costs the same among a million runs.

drop index runs_by_tenant;
create index runs_by_time on runs (tenant, created_at desc, id desc);
create index runs_by_status on runs (tenant, status, created_at desc, id desc);
create index runs_by_tag on runs using gin (tags);
-- Words of goals. An expression with statistics of its own: the planner knows which words are rare and which are in every goal.
create index runs_by_word on runs using gin (to_tsvector('simple', goal));
