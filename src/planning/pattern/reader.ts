import { NotUnderstood } from './refusal';
import { tokenize, type Token } from './tokens';

/** Reads a goal from left to right. Positions are numbers and can be gone back to. */
export class Reader {
  at = 0;
  private readonly tokens: Token[];

  constructor(readonly goal: string) {
    this.tokens = tokenize(goal);
  }

  /** The token `ahead` of the next one; the last token is `end` and is never taken. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token;
  }

  take(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.at += 1;
    return token;
  }

  get isAtEnd(): boolean {
    return this.peek().kind === 'end';
  }

  /** Whether these words come next. */
  sees(phrase: string): boolean {
    return phrase.split(' ').every((word, ahead) => {
      const token = this.peek(ahead);
      return token.kind === 'word' && token.text === word;
    });
  }

  /** Takes these words if they come next. */
  accept(phrase: string): boolean {
    if (!this.sees(phrase)) return false;
    this.at += phrase.split(' ').length;
    return true;
  }

  /** Takes the first of the phrases that comes next; longer ones go before those they begin with. */
  acceptOne<T extends string>(phrases: readonly T[]): T | null {
    return phrases.find((phrase) => this.accept(phrase)) ?? null;
  }

  seesOne(phrases: readonly string[]): boolean {
    return phrases.some((phrase) => this.sees(phrase));
  }

  acceptSign(text: string): boolean {
    const { kind, text: next } = this.peek();
    if (kind !== 'sign' || next !== text) return false;
    this.at += 1;
    return true;
  }

  acceptMark(marks: string): boolean {
    const { kind, text } = this.peek();
    if (kind !== 'mark' || !marks.includes(text)) return false;
    this.at += 1;
    return true;
  }

  /** Reads, or goes back to where it was when `read` gives null. */
  attempt<T>(read: () => T | null): T | null {
    const start = this.at;
    const result = read();
    if (result === null) this.at = start;
    return result;
  }

  refuse(why: string, at = this.peek().start): never {
    throw new NotUnderstood(why, at);
  }
}
