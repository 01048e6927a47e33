/** Where the bytes of a stream go. It hears how its client keeps up. */
export interface Outlet {
  /** Bytes handed over that the client has not taken yet. */
  waiting(): number;
  /** @param taken called when they have gone to the network, or never will */
  write(bytes: Buffer, taken?: () => void): void;
  /** The client has taken what filled the buffer. */
  onRoom(): void;
  /** It has taken nothing for too long. */
  onStuck(): void;
}

/** Bytes that may wait in this process for one client, however many runs it reads. */
const FULL_BYTES = 1_000_000;

/**
 * Sends to one client and knows when that is too slow.
 *
 *   open   what is sent waits in a buffer of at most a megabyte and one event
 *   full   events are held back until the client has taken all of it (`onRoom`), or takes nothing for too long (`onStuck`)
 */
export class Outflow {
  private patience: NodeJS.Timeout | undefined;

  constructor(
    private readonly outlet: Outlet,
    private readonly patience_ms: number,
  ) {}

  get full(): boolean {
    return this.patience !== undefined;
  }

  write(bytes: Buffer): void {
    if (this.full || this.outlet.waiting() + bytes.length <= FULL_BYTES) return this.outlet.write(bytes);
    this.patience = this.watch(Infinity);
    this.outlet.write(bytes, () => {
      this.close();
      this.outlet.onRoom();
    });
  }

  close(): void {
    clearTimeout(this.patience);
    this.patience = undefined;
  }

  private watch(before: number): NodeJS.Timeout {
    return setTimeout(() => {
      const now = this.outlet.waiting();
      if (now < before) this.patience = this.watch(now);
      else this.outlet.onStuck();
    }, this.patience_ms);
  }
}
