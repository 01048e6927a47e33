import { Interrupted } from '../contracts/interrupted';

/**
 * Lets so many calls of this process through at a time, by key, first come first served: who waits here asks nobody, and uses up no try.
 * Slots over all workers are counted elsewhere (admission.ts).
 */
export class Turns {
  private readonly lines = new Map<string, { taken: number; waiting: (() => void)[] }>();

  /** Resolves when it is this caller's turn; it is to `leave` then. @throws Interrupted when the signal is aborted before. */
  async take(key: string, most: number, signal: AbortSignal): Promise<void> {
    const line = this.lines.get(key) ?? { taken: 0, waiting: [] };
    this.lines.set(key, line);
    if (line.taken < most) {
      line.taken += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        line.waiting.splice(line.waiting.indexOf(go), 1);
        reject(new Interrupted());
      };
      const go = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      if (signal.aborted) return void reject(new Interrupted());
      signal.addEventListener('abort', stop, { once: true });
      line.waiting.push(go);
    });
  }

  /** The turn goes to who has waited longest; it is free only when nobody waits. */
  leave(key: string): void {
    const line = this.lines.get(key)!;
    const next = line.waiting.shift();
    if (next !== undefined) return next();
    line.taken -= 1;
    if (line.taken === 0) this.lines.delete(key);
  }
}
