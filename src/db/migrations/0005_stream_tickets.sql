-- Tickets that open one stream without a key: browsers cannot send headers with EventSource and WebSocket, and a key must never stand in an
-- address. Used by deleting the row, so one of several processes gets it. The clock of Postgres says when it has expired.
create table stream_tickets (
  hash bytea primary key,                                -- SHA-256 of 256 random bits
  tenant text not null,
  key_id text not null references api_keys on delete cascade, -- whose ticket it is; it dies with the key
  run_id text references runs on delete cascade,         -- the only run it opens; any run of the tenant when null
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index stream_tickets_expired on stream_tickets (expires_at);
create index stream_tickets_by_key on stream_tickets (key_id);
create index stream_tickets_by_run on stream_tickets (run_id) where run_id is not null;

alter table stream_tickets enable row level security;
create policy tenant_wall on stream_tickets to longhaul_app
  using ((select current_setting('longhaul.tenant', true)) in (tenant, '*'));
