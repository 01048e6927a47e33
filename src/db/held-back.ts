import type { Rules } from '../contracts/rules';
import type { Tx } from './tx';

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
