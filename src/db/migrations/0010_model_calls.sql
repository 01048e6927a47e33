-- What language models cost: the ledger of calls (model_calls, 0001) counts tries and holds money back, and a key has a day's budget.

alter table model_calls
  alter column model drop not null,                      -- not known before an endpoint is chosen
  add column endpoint text,                              -- the one that was asked last
  add column calls integer not null default 0,           -- requests that were sent to providers for it
  add column reserved_tokens bigint not null default 0,  -- its worst case, held back until it is settled
  add column reserved_usd numeric(14, 8),                -- the same in money; null when the price is unknown
  add column reserved_on date,                           -- the day whose budget it is held back from
  add column reused integer not null default 0;          -- how often its reply was taken again instead of bought

-- Who stood in for a model that could not be asked, and why: {"part": "judge", "code": …, "message": …}.
alter table runs add column degraded jsonb;

-- What the runs of a key may still cost today: spent, and held back for calls under way. Kept only for keys that have a day's budget.
create table key_spending (
  key_id text not null,                                  -- no reference: the development key has no row
  day date not null,                                     -- UTC
  tenant text not null,
  spent_usd numeric(14, 8) not null,
  primary key (key_id, day)
);
alter table key_spending enable row level security;
create policy tenant_wall on key_spending to longhaul_app
  using ((select current_setting('longhaul.tenant', true)) in (tenant, '*'));

-- What a run has spent says also what it did not buy again.
alter table runs alter column usage set default
  '{"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "cost_usd": 0, "saved": {"calls": 0, "tokens": 0}, "by_model": []}';
update runs set usage = usage || '{"saved": {"calls": 0, "tokens": 0}}';
