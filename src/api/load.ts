import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Refusal } from '../contracts/refusal';

/** How often the event loop is looked at, milliseconds. */
const LOOK_EVERY_MS = 250;
/** Grain of the measurement, milliseconds: what a loop without load shows. */
const RESOLUTION_MS = 10;
/** Seconds after which a write that was refused may be tried again. */
const RETRY_AFTER_S = 2;

/** How busy a process is. */
export interface Load {
  /** Whether it lags so much that writes are refused. */
  overloaded(): boolean;
}

/**
 * Whether writes are refused after a look at the lag. Once they are it goes on until the lag is half of the limit: else the relief that the
 * refusals bring would end them at once.
 */
export function shedsAfter(sheds: boolean, lag_ms: number, limit_ms: number): boolean {
  return lag_ms >= (sheds ? limit_ms / 2 : limit_ms);
}

/**
 * Watches the event loop. Its lag is the mean over a quarter of a second: one long pause, as of the garbage collector, is no overload.
 * @param limit_ms lag from which on writes are refused
 */
export function watchLoad(limit_ms: number): Load & { close(): void } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let sheds = false;
  const timer = setInterval(() => {
    // Without a sample the mean is NaN: nothing ran that could lag.
    const lag_ms = Math.max(0, (delay.mean || 0) / 1e6 - RESOLUTION_MS);
    delay.reset();
    sheds = shedsAfter(sheds, lag_ms, limit_ms);
  }, LOOK_EVERY_MS);
  return {
    overloaded: () => sheds,
    close() {
      clearInterval(timer);
      delay.disable();
    },
  };
}

/** @throws Refusal `overloaded`. Reads and streams are never refused for it: they go on, and show what was taken. */
export function shed(load: Load): void {
  if (!load.overloaded()) return;
  throw new Refusal(
    'overloaded',
    'The service is behind with its work and takes nothing new at the moment.',
    [],
    {
      retry_after_s: RETRY_AFTER_S,
    },
  );
}
