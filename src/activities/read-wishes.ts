import type { WishKind, Wishes } from '../contracts/step-result';
import type { ActivityDeps } from './deps';

/** What is wished of a run now. The workflow asks whenever it is woken; the signal itself says nothing. */
export async function readWishes(deps: ActivityDeps, { run_id }: { run_id: string }): Promise<Wishes> {
  const [run] = await deps.db.query<{ wish: WishKind | null; waiting: string[]; deadline_at: Date }>(
    `select r.deadline_at,
       (select w.kind from wishes w
        where w.run_id = r.id and w.attempt = r.attempt and w.kind = 'cancel' and w.closed_at is null limit 1) as wish,
       array(select s.id from steps s
        where s.run_id = r.id and s.plan_version = r.plan_version and s.status = 'waiting') as waiting
     from runs r where r.id = $1`,
    [run_id],
  );
  const { wish, waiting, deadline_at } = run!;
  return { wish, waiting, deadline_at_ms: deadline_at.getTime() };
}
