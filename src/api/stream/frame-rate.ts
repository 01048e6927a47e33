/** Frames that a client may send at once: all its subscriptions, and as much again. */
const BURST = 200;
/** Frames that it may send for long, per second. */
const PER_SECOND = 50;
/** Frames beyond that which are answered by an error, before the socket is closed. */
const WARNINGS = 100;

/** Counts the frames of one socket: a bucket that fills up again with time. */
export class FrameRate {
  private left = BURST;
  private warnings = WARNINGS;
  private at: number;

  constructor(now_ms: number) {
    this.at = now_ms;
  }

  /** One more frame. */
  count(now_ms: number): 'fine' | 'too many' | 'far too many' {
    this.left = Math.min(BURST, this.left + ((now_ms - this.at) / 1_000) * PER_SECOND);
    this.at = now_ms;
    if (this.left >= 1) {
      this.left -= 1;
      return 'fine';
    }
    this.warnings -= 1;
    return this.warnings >= 0 ? 'too many' : 'far too many';
  }
}
