-- Work that takes its time may be done twice at once: a worker that was lost for a while, and the one that took over. Each try takes a
-- number, and what it writes is refused once a later one has begun.
alter table runs add column tries jsonb not null default '{}';   -- {"plan:1": 2, "answer": 1}: the last number of each piece of work

-- Providers say what they like of tokens, and a price may be high: what does not fit would be bought again and again.
alter table model_calls
  alter column cost_usd type numeric(28, 8),
  alter column reserved_usd type numeric(28, 8);
alter table key_spending alter column spent_usd type numeric(28, 8);

-- Whether a request for it is out: what is cut off then may have cost all that it holds back, what only waits has cost nothing.
alter table model_calls add column under_way boolean not null default false;
