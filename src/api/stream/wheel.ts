/** Parts of a turn: what beats is spread over them, so that thousands of heartbeats are not sent at once. */
const SLOTS = 30;

/** One timer for all heartbeats of a process. It runs only while something is on it. */
export class Wheel<T> {
  private readonly slots: Set<T>[] = Array.from({ length: SLOTS }, () => new Set());
  private size = 0;
  private now = 0;
  private next = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param turn_ms pause between two beats of the same thing */
  constructor(
    private readonly turn_ms: number,
    private readonly beat: (thing: T) => void,
  ) {}

  /** Beats for `thing` from now on, first within a turn. */
  add(thing: T): void {
    const slot = this.slots[this.next]!;
    this.next = (this.next + 1) % SLOTS;
    slot.add(thing);
    this.size += 1;
    this.timer ??= setInterval(() => this.step(), this.turn_ms / SLOTS);
  }

  remove(thing: T): void {
    // Looked for, because to note where each one is would take more room than the slots themselves.
    if (this.slots.some((slot) => slot.delete(thing))) this.size -= 1;
    if (this.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private step(): void {
    this.now = (this.now + 1) % SLOTS;
    for (const thing of this.slots[this.now]!) this.beat(thing);
  }
}
