import type { RateLimit } from '../contracts/rate-limit';
import type { Tx } from './tx';

/** Length of a window, milliseconds. */
export const WINDOW_MS = 60_000;

/** The window of a key after something was taken from it. */
export interface Window {
  /** What was asked of it so far; more than the limit when it is used up. */
  used: number;
  /** Until it ends, milliseconds by the clock of the database. */
  left_ms: number;
}

/** Takes `count` requests from the current window of a key; exact over all processes. */
export async function takeFromWindow(
  db: Tx,
  { key_id, kind, tenant, count }: { key_id: string; kind: RateLimit; tenant: string; count: number },
): Promise<Window> {
  const take = () =>
    db.query<Window>('select used::float8, left_ms from take_from_window($1, $2, $3, $4, $5)', [
      key_id,
      kind,
      tenant,
      count,
      WINDOW_MS,
    ]);
  const [window] = await take();
  if (window!.left_ms <= WINDOW_MS) return window!;
  // It began before the clock of the database was set back, and would end only when that time has come again.
  await db.query(
    `delete from rate_windows where key_id = $1 and kind = $2 and ends_at > clock_timestamp() + $3 * interval '1 millisecond'`,
    [key_id, kind, WINDOW_MS],
  );
  const [fresh] = await take();
  return fresh!;
}
