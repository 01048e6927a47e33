-- What all workers together know of each model at each provider: whether it may be asked, and how much it is being asked. Kept over
-- restarts, so a worker that starts anew leaves alone what the others leave alone. No tenant: a provider is down for everybody.
-- The transitions are in src/llm/breaker.ts and src/llm/admission.ts, nowhere else: a row is locked, decided about there, and written.
create table model_endpoints (
  key text primary key,                                  -- host and model, no secret: processes that ask the same meet in one row
  breaker jsonb not null,                                -- {"state": "closed", "failures": 0}, or open, or half_open
  calls jsonb not null,                                  -- {id of a call under way: until when it counts, ms since 1970}
  minute jsonb not null,                                 -- {"used": calls begun, "ends_at": ms since 1970}
  updated_at timestamptz not null default now()          -- when it was last looked at to be changed
) with (fillfactor = 50);                                -- room on the page for the next version of a row: no index is touched
comment on table model_endpoints is 'What all workers know of each model at each provider';
comment on column model_endpoints.key is 'Host, path and model of the endpoint, without secrets';
comment on column model_endpoints.breaker is 'State of the circuit breaker; times in milliseconds since 1970';
comment on column model_endpoints.calls is 'Calls under way: id, and until when each counts at most';
comment on column model_endpoints.minute is 'Calls begun in the minute that ends at ends_at';
comment on column model_endpoints.updated_at is 'When the row was last locked to be changed';
grant select, insert, update, delete on model_endpoints to longhaul_app;
