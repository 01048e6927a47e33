import { setTimeout as sleep } from 'node:timers/promises';
import { Interrupted } from '../contracts/interrupted';
import { Refusal } from '../contracts/refusal';

/** How long a tool that was told to stop may take to do so, milliseconds. After that it is left alone and its result refused. */
const GRACE_MS = 1_000;

/**
 * Runs one try of a tool under its time limit and the caller's cancellation. A tool that ignores its signal does not hold the
 * worker: after a second of grace the try is over, whatever the tool still does.
 * @throws Interrupted when `cancelled` was aborted, Refusal `tool_timeout`, or what the tool threw.
 */
export async function callTool<T>(
  call: (signal: AbortSignal) => Promise<T>,
  { timeout_s, cancelled }: { timeout_s: number; cancelled: AbortSignal },
): Promise<T> {
  const stop = new AbortController();
  const stopNow = () => stop.abort();
  if (cancelled.aborted) throw new Interrupted();
  cancelled.addEventListener('abort', stopNow, { once: true });
  const limit = setTimeout(stopNow, timeout_s * 1_000);
  const over = new AbortController();
  const deserted = new Promise<'deserted'>((resolve) => {
    stop.signal.addEventListener('abort', () => {
      sleep(GRACE_MS, undefined, { signal: over.signal }).then(
        () => resolve('deserted'),
        () => undefined, // the tool ended in time
      );
    });
  });
  try {
    const outcome = await Promise.race([deserted, (async () => ({ value: await call(stop.signal) }))()]);
    if (outcome !== 'deserted') return outcome.value;
    throw stopReason();
  } catch (error) {
    if (stop.signal.aborted) throw stopReason();
    throw error;
  } finally {
    over.abort();
    clearTimeout(limit);
    cancelled.removeEventListener('abort', stopNow);
  }

  function stopReason(): Error {
    if (cancelled.aborted) return new Interrupted();
    return new Refusal('tool_timeout', `The tool did not end within ${timeout_s} s.`);
  }
}
