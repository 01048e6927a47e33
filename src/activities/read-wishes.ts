import type { WishKind, Wishes } from '../contracts/step-result';
import { Refusal } from '../contracts/refusal';
import { admit, type Executions } from '../db/executions';
import type { ActivityDeps } from './deps';

/** What is wished of a run now. The workflow asks whenever it is woken; the signal itself says nothing. */
export async function readWishes(
  deps: ActivityDeps,
  { run_id }: { run_id: string },
  execution: string,
): Promise<Wishes> {
  const [run] = await deps.db.query<
    Executions & { wish: WishKind | null; waiting: string[]; deadline_at: Date }
  >(
    `select r.deadline_at, r.execution, r.past_executions,
       (select w.kind from wishes w
        where w.run_id = r.id and w.attempt = r.attempt and w.kind = 'cancel' and w.closed_at is null limit 1) as wish,
       array(select s.id from steps s
        where s.run_id = r.id and s.plan_version = r.plan_version and s.status = 'waiting') as waiting
     from runs r where r.id = $1`,
    [run_id],
  );
  if (run === undefined) throw new Refusal('not_found', `There is no run ${run_id}.`);
  admit(run, execution);
  const { wish, waiting, deadline_at } = run;
  return { wish, waiting, deadline_at_ms: deadline_at.getTime() };
}
