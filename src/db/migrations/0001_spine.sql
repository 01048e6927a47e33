-- The record of Longhaul. What a user reads, and what a user wishes, is here and nowhere else.
-- Columns are named as in the API: one spelling, no mapping. Times are timestamptz, money is decimal USD, durations end in _s or _ms.

-- One journey from a goal to an answer. The id is also the id of its Temporal workflow.
create table runs (
  id text primary key,
  tenant text not null,                                  -- who owns the key it was submitted with
  "user" text,                                           -- whom the tenant serves
  status text not null default 'queued' check (status in
    ('queued', 'running', 'waiting', 'paused', 'cancelling', 'completed', 'failed', 'cancelled', 'timed_out')),
  phase text,                                            -- for people only
  status_reason text,
  goal text not null,
  given_plan jsonb,                                      -- the plan the client handed in
  answer text,
  error jsonb,                                           -- the failure it ended with
  plan_version integer,                                  -- the plan that is carried out
  rounds integer not null default 0,                     -- plans drafted so far
  rules jsonb not null,                                  -- limits and thresholds it began with and keeps
  budget jsonb not null,                                 -- what the client allowed
  usage jsonb not null default '{"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "cost_usd": 0, "by_model": []}',
  metadata jsonb not null default '{}',
  tags text[] not null default '{}',
  attempt integer not null default 1,                    -- 1, and one more after each Reset by an operator
  execution text,                                        -- Temporal's run id that wrote last; to be held against older ones after a Reset
  revision bigint not null default 1,                    -- counts every change of the row: the ETag
  last_seq bigint not null default 0,                    -- number of the last event
  first_seq bigint not null default 1,                   -- first event that is still kept
  origin jsonb not null default '{"type": "api", "run_id": null, "from": null}',
  root_run_id text not null,                             -- the first run of its lineage, itself when it is the first
  superseded_by text,                                    -- the restart that replaced it
  request_id text,
  trace_id text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  deadline_at timestamptz not null,
  expires_at timestamptz,                                -- when retention may remove it
  workflow_started_at timestamptz                        -- set by the reconciler once Temporal knows a run that submit left behind
);
create index runs_by_tenant on runs (tenant, id desc);
create index runs_superseding on runs (root_run_id);
-- The reconciler's question, answered without a look at any finished run.
create index runs_unstarted on runs (created_at) where status = 'queued' and workflow_started_at is null;

-- A round: one plan, what the plan check found and what the judge said. Stored outcomes: a repeated activity returns them.
create table plans (
  run_id text not null references runs on delete cascade,
  version integer not null,                              -- counts rounds from 1
  source text not null,                                  -- pattern, given; later model, cache, restart
  steps jsonb not null,
  outline jsonb,                                         -- null when the plan check rejected it
  findings jsonb not null default '[]',
  failure jsonb,                                         -- when no plan could be drafted
  content_hash text,                                     -- SHA-256 of the steps
  verdict jsonb,
  accepted boolean,                                      -- null until judged
  judged_by text,
  attempt integer not null,                              -- of the run, when it was drafted
  execution text,
  created_at timestamptz not null default now(),
  judged_at timestamptz,
  primary key (run_id, version)
);

-- One item of a plan and its checkpoint: once it has ended, the row is what a restart takes over.
create table steps (
  run_id text not null references runs on delete cascade,
  plan_version integer not null,
  id text not null,
  position integer not null,                             -- order in the plan
  title text,
  tool text not null,
  tool_version text not null,
  lane text not null,
  effect text not null,
  spec jsonb not null,                                   -- the step as planned: input with references, when, needs
  needs text[] not null,                                 -- its edges: from references, needs and when
  status text not null default 'pending' check (status in
    ('pending', 'running', 'retrying', 'waiting', 'completed', 'failed', 'skipped', 'cancelled')),
  status_reason text,
  attempt integer not null,                              -- of the run: a failure of an older attempt is tried again
  fence integer not null default 0,                      -- raised by every start, and by the end of the run; a write with an older number is refused
  tries integer not null default 0,                      -- tries that ended in a failure the tool reported
  input jsonb,                                           -- filled in
  input_hash text,                                       -- SHA-256 of tool, version and filled-in input
  output jsonb,
  failure jsonb,
  effect_scope text not null,                            -- the run that first meant to make its effect
  reused boolean not null default false,                 -- taken over from the run it was restarted from
  execution text,
  started_at timestamptz,
  finished_at timestamptz,
  duration_ms integer,
  primary key (run_id, plan_version, id),
  foreign key (run_id, plan_version) references plans on delete cascade
);

-- The event log: per run 1, 2, 3 … without gaps, numbered under the lock of the run's row. Never updated; removed by retention alone.
create table events (
  run_id text not null references runs on delete cascade,
  seq bigint not null,
  key text not null,                                     -- begins with the run's attempt; a repeated key is the same fact
  id text not null,
  type text not null,
  attempt integer not null,
  step_id text,
  time timestamptz not null default clock_timestamp(),
  v integer not null default 1,
  data jsonb not null,
  primary key (run_id, seq),
  unique (run_id, key)
);
create unique index events_one_terminal on events (run_id, attempt)
  where type in ('run.completed', 'run.failed', 'run.cancelled', 'run.timed_out');

create function refuse_change_of_events() returns trigger language plpgsql as $$
begin
  -- Retention says so for its own transaction: set local longhaul.retention = 'on'.
  if coalesce(current_setting('longhaul.retention', true), '') = 'on' then
    return coalesce(new, old);
  end if;
  raise exception 'events are never changed' using errcode = 'LH004';
end $$;
create trigger events_are_facts before update or delete on events
  for each row execute function refuse_change_of_events();
create trigger events_are_not_emptied before truncate on events
  for each statement execute function refuse_change_of_events();

-- What somebody outside wants of a run. Decided once, under the lock of the run's row; the signal to the workflow only wakes it.
create table wishes (
  id text primary key,
  run_id text not null references runs on delete cascade,
  attempt integer not null,                              -- of the run: a Reset does not meet old wishes again
  kind text not null,                                    -- cancel; later pause, resume, approve, reject, resolve, edit
  shown_hash text,                                       -- hash of what the person was shown when it was decided
  actor text not null,
  reason text,
  body jsonb not null default '{}',
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  looked_at timestamptz,                                 -- when the reconciler last woke the workflow for it
  closed_at timestamptz,                                 -- when the run had acted on it
  unique (run_id, attempt, kind)
);
create index wishes_open on wishes (created_at) where closed_at is null;

-- Changes that tools make outside the run, keyed so that the same effect is never made twice.
create table effects (
  key text primary key,                                  -- H(tenant, effect scope, step id, input hash)
  tenant text not null,
  effect_scope text not null,
  step_id text not null,
  run_id text not null references runs on delete cascade,
  fence integer not null,                                -- of the step's start that wrote last
  status text not null check (status in ('started', 'done', 'unknown')),
  output jsonb,
  created_at timestamptz not null default now(),
  done_at timestamptz
);
create index effects_by_step on effects (effect_scope, step_id);

-- Keys of the API: 256 random bits, of which only the SHA-256 is kept.
create table api_keys (
  id text primary key,
  tenant text not null,
  name text not null,
  prefix text not null,                                  -- first characters, to tell keys apart
  hash bytea not null unique,
  scopes text[] not null,
  development boolean not null default false,            -- never accepted in production
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

-- The first request under an Idempotency-Key, kept for 24 h: a second one waits on the primary key, then gets the same run.
create table idempotency_keys (
  tenant text not null,
  route text not null,
  key text not null,
  body_hash bytea not null,
  run_id text not null references runs on delete cascade deferrable initially deferred, -- written before its run
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant, route, key)
);
create index idempotency_keys_expired on idempotency_keys (expires_at);

-- The built-in todo lists, one per tenant and user.
create table todos (
  id text primary key,
  tenant text not null,
  "user" text not null default '',                       -- '' when the tenant did not say
  text text not null,
  done boolean not null default false,
  position bigint generated always as identity,          -- order of creation
  run_id text not null,                                  -- the run that added it; may be gone
  step_id text not null,
  created_at timestamptz not null default now(),
  completed_at timestamptz
);
create index todos_by_owner on todos (tenant, "user", position);

-- Every model call and its reply, stored before anything is done with it: a recorded call is never bought twice.
create table model_calls (
  run_id text not null references runs on delete cascade,
  purpose text not null,                                 -- plan, judge, answer
  round text not null,                                   -- plan version or step id
  request_hash text not null,
  tenant text not null,
  attempt integer not null,
  fence integer not null,
  model text not null,
  request jsonb not null,
  reply jsonb,                                           -- null while the call is on its way
  usage jsonb,
  cost_usd numeric(14, 8),                               -- null when the price is unknown
  failure jsonb,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  primary key (run_id, purpose, round, request_hash)
);
