import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from './log';

/** Everything that a stack consists of, in the order of stopping: each is stopped before what it uses. */
export const PART_NAMES = ['note', 'api', 'worker', 'temporal', 'postgres', 'lock'] as const;
export type PartName = (typeof PART_NAMES)[number];

export interface Part {
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Ends it at once; does not wait and does not throw. */
  kill(): void;
}

/** All together have 15 s; what is then left is killed. */
const STOP_LIMIT_MS = 14_000;

/** Stops parts in order, one after another; a part that fails to stop does not keep the next one running. */
export async function stopParts(parts: Map<PartName, Part>, log: Log): Promise<void> {
  const late = new AbortController();
  const inOrder = async () => {
    for (const name of PART_NAMES) {
      if (late.signal.aborted) return;
      try {
        await parts.get(name)?.stop();
      } catch (error) {
        log(`${name} does not stop: ${(error as Error).message}`);
      }
      if (!late.signal.aborted) parts.delete(name);
    }
  };
  await Promise.race([
    inOrder(),
    sleep(STOP_LIMIT_MS, undefined, { signal: late.signal }).catch(() => undefined),
  ]);
  late.abort();
  if (parts.size > 0) log(`Killing what has not stopped in time: ${[...parts.keys()].join(', ')}`);
  killParts(parts);
}

/** Ends all parts at once. */
export function killParts(parts: Map<PartName, Part>): void {
  for (const name of PART_NAMES) {
    parts.get(name)?.kill();
    parts.delete(name);
  }
}
