import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `condition` every `every_ms` until it gives something other than undefined or false, and returns that.
 * Returns undefined when `limit_ms` is over. What `condition` throws is passed on.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { limit_ms, every_ms = 25 }: { limit_ms: number; every_ms?: number },
): Promise<Exclude<T, undefined | false> | undefined> {
  const end = performance.now() + limit_ms;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (performance.now() >= end) return undefined;
    await sleep(every_ms);
  }
}
