/** How long text waits for more, milliseconds; and how much of it goes at once, characters. */
const WAIT_MS = 150;
const ENOUGH_CHARS = 1_000;

/** Collects the pieces in which a model's text comes, so that its words become few events. */
export class TextBatches {
  private text = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly take: (batch: string) => void) {}

  /** Adds a piece, which may end in the middle of a character. */
  add(piece: string): void {
    this.text += piece;
    if (this.text.length >= ENOUGH_CHARS) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), WAIT_MS);
  }

  /** Hands over what there is. Half a character waits for its other half: Postgres takes none. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const whole = /[\ud800-\udbff]$/.test(this.text) ? this.text.slice(0, -1) : this.text;
    this.text = this.text.slice(whole.length);
    if (whole !== '') this.take(whole);
  }
}
