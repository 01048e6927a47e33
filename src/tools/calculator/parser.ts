import { Refusal } from '../../contracts/refusal';
import { notUnderstood, tokenize, type Sign, type Token } from './tokens';

/** Levels of brackets, function calls and stacked powers. Bounds the recursion of parser and evaluation. */
const MAX_NESTING = 100;

const PERCENT = 'It is the remainder of a division (7 % 3); for percent write / 100.';

/** An expression as a tree. `at` leads messages back to the text. */
export type Node =
  | { kind: 'number'; text: string; at: number }
  | { kind: 'constant'; name: string; at: number }
  | { kind: 'call'; name: string; args: Node[]; at: number }
  | { kind: 'negative'; of: Node; at: number }
  | { kind: 'factorial'; of: Node; at: number }
  | { kind: 'binary'; sign: BinarySign; left: Node; right: Node; at: number };

export type BinarySign = '+' | '-' | '*' | '/' | '%' | '^';

/**
 * Reads an expression. From loosest to tightest:
 *
 *     sum     = product { ("+" | "-") product }
 *     product = signed { ("*" | "/" | "%") signed }      after "%" no sign: `50% - 3` means percent to its writer
 *     signed  = { "+" | "-" } power                      so -2^2 is -(2^2)
 *     power   = postfix [ "^" signed ]                   from the right: 2^3^2 is 2^(3^2)
 *     postfix = primary [ "!" ]
 *     primary = number | name | name "(" sum { "," sum } ")" | "(" sum ")"
 *
 * @throws Refusal `invalid_expression`, naming what was not understood and its position.
 */
export function parse(expression: string): Node {
  const reader = new Reader(tokenize(expression));
  if (reader.isAtEnd()) throw new Refusal('invalid_expression', 'The expression is empty.');
  const node = reader.sum();
  if (!reader.isAtEnd()) throw reader.unexpected();
  return node;
}

class Reader {
  private index = 0;
  private depth = 0;

  constructor(private readonly tokens: Token[]) {}

  private get next(): Token {
    // The last token is `end` and is never taken.
    return this.tokens[this.index] as Token;
  }

  isAtEnd(): boolean {
    return this.next.kind === 'end';
  }

  sum(): Node {
    return this.chain(['+', '-'], () => this.product());
  }

  private product(): Node {
    return this.chain(['*', '/', '%'], (after, at) => {
      if (after === '%' && !this.beginsUnsigned()) throw notUnderstood('%', at, PERCENT);
      return this.signed();
    });
  }

  /** Operands joined by any of `signs`, from the left. */
  private chain(signs: BinarySign[], operand: (after: BinarySign | null, at: number) => Node): Node {
    let left = operand(null, this.next.at);
    for (;;) {
      const at = this.next.at;
      const sign = signs.find((candidate) => this.takes(candidate));
      if (sign === undefined) return left;
      left = { kind: 'binary', sign, left, right: operand(sign, at), at };
    }
  }

  private signed(): Node {
    const at = this.next.at;
    let negative = false;
    while (this.is('-') || this.is('+')) {
      if (this.is('-')) negative = !negative;
      this.index += 1;
    }
    const of = this.power();
    return negative ? { kind: 'negative', of, at } : of;
  }

  private power(): Node {
    const left = this.postfix();
    const at = this.next.at;
    if (!this.takes('^')) return left;
    return { kind: 'binary', sign: '^', left, right: this.nested(at, () => this.signed()), at };
  }

  private postfix(): Node {
    const of = this.primary();
    const at = this.next.at;
    if (!this.takes('!')) return of;
    if (this.is('!')) throw notUnderstood('!', this.next.at, 'For the factorial of a factorial write (n!)!.');
    return { kind: 'factorial', of, at };
  }

  private primary(): Node {
    const token = this.next;
    if (token.kind === 'end') {
      throw new Refusal(
        'invalid_expression',
        `The expression ends at position ${token.at} where a number is missing.`,
      );
    }
    if (token.kind === 'sign' && token.text !== '(') throw this.unexpected();
    this.index += 1;
    if (token.kind === 'number') return { kind: 'number', text: token.text, at: token.at };
    if (token.kind === 'sign') return this.nested(token.at, () => this.closed(this.sum(), token.at));
    if (!this.takes('(')) return { kind: 'constant', name: token.text, at: token.at };
    return this.nested(token.at, () => this.call(token.text, token.at));
  }

  private call(name: string, at: number): Node {
    const args: Node[] = [];
    if (!this.is(')')) {
      do args.push(this.sum());
      while (this.takes(','));
    }
    return this.closed({ kind: 'call', name, args, at }, at);
  }

  private closed(node: Node, openedAt: number): Node {
    if (this.takes(')')) return node;
    if (!this.isAtEnd()) throw this.unexpected();
    throw new Refusal('invalid_expression', `The bracket opened at position ${openedAt} is never closed.`);
  }

  private nested(at: number, read: () => Node): Node {
    this.depth += 1;
    if (this.depth > MAX_NESTING) {
      throw new Refusal(
        'invalid_expression',
        `At position ${at} the expression is nested deeper than ${MAX_NESTING} levels.`,
      );
    }
    const node = read();
    this.depth -= 1;
    return node;
  }

  private is(sign: Sign): boolean {
    return this.next.kind === 'sign' && this.next.text === sign;
  }

  private takes(sign: Sign): boolean {
    const found = this.is(sign);
    if (found) this.index += 1;
    return found;
  }

  private beginsUnsigned(): boolean {
    return this.next.kind === 'number' || this.next.kind === 'name' || this.is('(');
  }

  /** The failure for the next token, which cannot stand where it stands. */
  unexpected(): Refusal {
    const { kind, text, at } = this.next;
    if (text === ',')
      return notUnderstood(text, at, 'A comma separates the arguments of a function; write 1000, not 1,000.');
    if (text === ')')
      return notUnderstood(text, at, 'It closes no bracket, or a number is missing before it.');
    if (kind === 'sign' && text !== '(') return notUnderstood(text, at, 'A number is missing before it.');
    return notUnderstood(text, at, 'An operator is missing before it.');
  }
}
