import type { StepRef } from '../db/steps';
import { holdsFence } from '../db/steps';
import type { Database } from '../db/database';
import { append } from '../events/append';
import type { ToolContext } from '../tools/tool';
import { keyOf } from '../events/step-facts';
import { storableText } from '../db/storable';

/** Pause between two words of a try about how far it has come, milliseconds: of those that come meanwhile the newest counts. */
const EVERY_MS = 500;
/** Words of one try that are kept, at most: a tool that says something every moment for days must not fill the log. */
const MAX_WORDS = 1_000;
const MAX_MESSAGE = 500;

/** What a tool tells of itself while it is called. What it says is for people: a word that is lost, or that nobody can read, harms nothing. */
export class StepProgress {
  private newest: { ratio?: number; message?: string } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private written: Promise<void> = Promise.resolve();
  private words = 0;
  private over = false;

  /** @param start the start whose call it is; nothing is written once a newer one has begun */
  constructor(
    private readonly db: Database,
    private readonly start: { ref: StepRef; attempt: number; fence: number },
  ) {}

  /** As `ToolContext.progress`. */
  readonly report: ToolContext['progress'] = (ratio, message) => {
    if (this.over || this.words >= MAX_WORDS) return;
    const word = {
      ...(typeof ratio === 'number' && Number.isFinite(ratio) && { ratio: Math.min(1, Math.max(0, ratio)) }),
      ...(typeof message === 'string' && { message: storableText(message.slice(0, MAX_MESSAGE)) }),
    };
    if (Object.keys(word).length === 0) return;
    this.newest = word;
    this.timer ??= setTimeout(() => this.write(), EVERY_MS);
  };

  /** Resolves when nothing more will be written: the outcome of the try comes after every word of it. What waits is dropped. */
  async close(): Promise<void> {
    this.over = true;
    clearTimeout(this.timer);
    await this.written;
  }

  private write(): void {
    this.timer = undefined;
    this.words += 1;
    const { ref, attempt, fence } = this.start;
    const data = { attempt: fence, ...this.newest };
    const key = keyOf(ref, `progress:${fence}:${this.words}`);
    this.written = this.db
      .transaction(async (tx) => {
        if (!(await holdsFence(tx, ref, fence))) return;
        const event = { key, type: 'step.progress', step_id: ref.step_id, data } as const;
        await append(tx.last, ref.run_id, { attempt, events: [event] });
      })
      .catch(() => {
        this.over = true; // Postgres is away, or the run is over: the outcome will say so
      });
  }
}
