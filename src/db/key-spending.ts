import { Refusal } from '../contracts/refusal';
import type { Rules } from '../contracts/rules';
import type { Tx } from './tx';

/** What the runs of a key spend on models a day (UTC), and hold back for calls under way. A row is locked after the run and its call. */

/** What a call held back, and of which day. */
export interface HeldBack {
  was_usd: string | null;
  was_on: string | null;
}

/** Holds the worst case of a call back from what is left today. @throws Refusal `budget_exceeded` */
export async function holdBackToday(
  tx: Tx,
  tenant: string,
  { key_id, max_cost_usd }: NonNullable<Rules['day']>,
  cost_usd: number,
): Promise<void> {
  const [held] = await tx.query(
    `insert into key_spending as k (key_id, day, tenant, spent_usd)
     select $1, (now() at time zone 'utc')::date, $2, $3::numeric where $3::numeric <= $4::numeric
     on conflict (key_id, day) do update set spent_usd = k.spent_usd + excluded.spent_usd
       where k.spent_usd + excluded.spent_usd <= $4::numeric
     returning key_id`,
    [key_id, tenant, cost_usd, max_cost_usd],
  );
  if (held !== undefined) return;
  throw new Refusal(
    'budget_exceeded',
    `The next model call may cost ${cost_usd} USD, more than is left today of the key's ${max_cost_usd} USD.`,
  );
}

/** Puts what a call did cost in the place of what it held back; where it holds nothing any more, its cost counts today. */
export async function spend(
  tx: Tx,
  { tenant, key_id }: { tenant: string; key_id: string },
  spent_usd: number,
  { was_usd, was_on }: HeldBack,
): Promise<void> {
  await tx.query(
    `insert into key_spending as k (key_id, day, tenant, spent_usd)
     values ($1, coalesce($2::date, (now() at time zone 'utc')::date), $5, $3::numeric)
     on conflict (key_id, day) do update set spent_usd = k.spent_usd + excluded.spent_usd - coalesce($4::numeric, 0)`,
    [key_id, was_on, spent_usd, was_usd, tenant],
  );
}

/**
 * Gives the budget of the day back what the calls of a run hold of which no request is under way: they wait for their turn, or for
 * their next try, and the run is about to end. What was cut off in the middle may have cost all that it holds, so it goes on holding it.
 */
export async function freeHeldBack(tx: Tx, run_id: string): Promise<void> {
  // In the order in which all others lock: run, calls, day.
  const [run] = await tx.query<{ rules: Rules }>('select rules from runs where id = $1 for no key update', [
    run_id,
  ]);
  if (run?.rules.day === undefined) return;
  await tx.query(
    `with idle as (
       select purpose, round, request_hash, reserved_usd, reserved_on from model_calls
       where run_id = $1 and reserved_on is not null and not under_way for update
     ), freed as (
       update model_calls set reserved_tokens = 0, reserved_usd = null, reserved_on = null
       where run_id = $1 and (purpose, round, request_hash) in (select purpose, round, request_hash from idle)
     )
     update key_spending k set spent_usd = k.spent_usd - held.usd
     from (select reserved_on as day, sum(reserved_usd) as usd from idle group by reserved_on) held
     where k.key_id = $2 and k.day = held.day`,
    [run_id, run.rules.day.key_id],
  );
}
