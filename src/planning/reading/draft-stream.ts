import { MAX_STEPS, type Step } from '../../contracts/plan';
import { readStep } from './read-draft';
import { MAX_REPLY_CHARS } from './read-reply';

/** Depth inside the object of the reply, inside its list of steps, inside a step. */
const ROOT = 1;
const LIST = 2;
const STEP = 3;

/** The key of the list, and how much of any key is kept to know it from others. */
const KEY = 'steps';

/**
 * Takes a reply apart while it comes: each step is given once, in its order, as soon as its closing brace has come, where it has the
 * form of a step. Prose and fences before the object are passed over. Each character is looked at once, and a step is parsed
 * once, so that the work is linear in the text however small its pieces are.
 *
 * | depth | what it is in                | what it looks for                                    |
 * | ----- | ---------------------------- | ---------------------------------------------------- |
 * | 0     | prose                        | `{`; quotes mean nothing here                         |
 * | 1     | the object of the reply      | the key `steps`, then `[`; `}` ends it               |
 * | 2     | its list of steps            | `{` begins a step; `]` ends the list and the reading |
 * | 3…    | a step                       | the `}` that brings it back to 2                      |
 *
 * What it gives is for showing only: the plan is read from the whole reply.
 */
export class DraftStream {
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** The last text at depth 1, as far as it is needed. */
  private key = '';
  private inList = false;
  /** The text of the step under way, from its opening brace. */
  private step: string | null = null;
  private given = 0;
  private read = 0;
  private isOver = false;

  constructor(private readonly onStep: (step: Step) => void) {}

  /** Reads the next piece of the reply. */
  push(piece: string): void {
    this.read += piece.length;
    if (this.read > MAX_REPLY_CHARS) this.isOver = true;
    let from = 0;
    for (let at = 0; at < piece.length && !this.isOver; at += 1) {
      const before = this.step;
      this.take(piece[at] as string);
      if (before === null && this.step !== null) from = at;
      else if (before !== null && this.step === null) this.finish(before + piece.slice(from, at + 1));
    }
    if (this.step !== null && !this.isOver) this.step += piece.slice(from);
  }

  private take(char: string): void {
    if (this.inString) this.takeInString(char);
    else if (char === '{' || char === '[') this.open(char);
    else if (this.depth === 0) return;
    else if (char === '"') {
      this.inString = true;
      if (this.depth === ROOT) this.key = '';
    } else if (char === '}' || char === ']') this.close();
  }

  private takeInString(char: string): void {
    if (this.escaped) this.escaped = false;
    else if (char === '\\') this.escaped = true;
    else if (char === '"') this.inString = false;
    // One more than the key has, so that a longer one is not taken for it.
    if (this.inString && this.depth === ROOT && this.key.length <= KEY.length) this.key += char;
  }

  private open(char: string): void {
    if (this.depth === 0 && char === '[') return;
    this.depth += 1;
    if (this.depth === LIST) this.inList = char === '[' && this.key === KEY;
    if (this.depth === STEP && this.inList && char === '{') this.step = '';
  }

  private close(): void {
    this.depth -= 1;
    if (this.depth === LIST) this.step = null;
    if (this.depth === ROOT && this.inList) this.isOver = true;
  }

  private finish(text: string): void {
    this.given += 1;
    if (this.given > MAX_STEPS) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return; // mended, perhaps, once the whole reply is there
    }
    const step = readStep(value);
    if (step !== null) this.onStep(step);
  }
}
