import type { WishKind } from '../contracts/step-result';
import type { ActivityDeps } from './deps';

/** What is wished of a run now. The workflow asks whenever it is woken; the signal itself says nothing. */
export async function readWishes(
  deps: ActivityDeps,
  { run_id }: { run_id: string },
): Promise<{ wish: WishKind | null }> {
  const [open] = await deps.db.query<{ kind: WishKind }>(
    `select w.kind from wishes w join runs r on r.id = w.run_id and r.attempt = w.attempt
     where w.run_id = $1 and w.closed_at is null order by w.created_at limit 1`,
    [run_id],
  );
  return { wish: open?.kind ?? null };
}
