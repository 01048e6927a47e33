import { Interrupted } from '../contracts/interrupted';

/** Lets so many through at a time, the others in the order in which they came. */
export class Turns {
  private taken = 0;
  private readonly waiting: (() => void)[] = [];

  /** How many have their turn or wait for it. */
  get size(): number {
    return this.taken + this.waiting.length;
  }

  /** Resolves when it is this caller's turn; it is to `leave` then. @throws Interrupted when the signal is aborted before. */
  async take(most: number, signal?: AbortSignal): Promise<void> {
    if (this.taken < most) {
      this.taken += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const stop = () => {
        this.waiting.splice(this.waiting.indexOf(go), 1);
        reject(new Interrupted());
      };
      const go = () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      };
      if (signal?.aborted === true) return void reject(new Interrupted());
      signal?.addEventListener('abort', stop, { once: true });
      this.waiting.push(go);
    });
  }

  /** The turn goes to who has waited longest; it is free only when nobody waits. */
  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.taken -= 1;
    else next();
  }
}
