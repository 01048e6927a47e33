import { setTimeout as sleep } from 'node:timers/promises';

/** Pause between two looks, milliseconds. */
const EVERY_MS = 20;
/** Longest wait, milliseconds: there for what never comes, so a machine that is five times slower than usual fails nothing. */
const LIMIT_MS = 30_000;

/**
 * Waits for a condition: calls `check` until it returns something that is neither undefined nor false, and returns that.
 * @param within_ms limit of the wait, LIMIT_MS unless told; beyond it the test fails and says what it waited for
 */
export async function eventually<T>(
  check: () => T | undefined | false | Promise<T | undefined | false>,
  { within_ms = LIMIT_MS, what = 'the condition' }: { within_ms?: number; what?: string } = {},
): Promise<T> {
  const limit = Date.now() + within_ms;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > limit) throw new Error(`Waited ${within_ms} ms for ${what}.`);
    await sleep(EVERY_MS);
  }
}
