import { Refusal } from '../../contracts/refusal';

/** A piece of an expression. `at` is its position in characters, from 1, as messages name it. */
export type Token =
  | { kind: 'number'; text: string; at: number }
  | { kind: 'name'; text: string; at: number }
  | { kind: 'sign'; text: Sign; at: number }
  | { kind: 'end'; text: ''; at: number };

export type Sign = '+' | '-' | '*' | '/' | '%' | '^' | '!' | '(' | ')' | ',';

/** Every way to write a sign; people and models paste the typographic ones. */
const SIGNS: ReadonlyMap<string, Sign> = new Map<string, Sign>([
  ...[...'+-*/%^!(),'].map((sign): [string, Sign] => [sign, sign as Sign]),
  ['**', '^'],
  ['×', '*'],
  ['·', '*'],
  ['⋅', '*'],
  ['÷', '/'],
  ['−', '-'],
]);

const SPACE = /\s+/y;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const SIGN = /\*\*|[+\-*/%^!(),×·⋅÷−]/y;

/**
 * Splits an expression into tokens; the last one is always `end`.
 * @throws Refusal `invalid_expression` at the first character that begins no token.
 */
export function tokenize(expression: string): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = index;
    const text = pattern.exec(expression)?.[0] ?? '';
    index += text.length;
    return text;
  };
  for (;;) {
    take(SPACE);
    const at = positionOf(expression, index);
    let text: string;
    if (index === expression.length) return [...tokens, { kind: 'end', text: '', at }];
    else if ((text = take(NUMBER))) tokens.push({ kind: 'number', text, at });
    else if ((text = take(NAME))) tokens.push({ kind: 'name', text, at });
    else if ((text = take(SIGN))) tokens.push({ kind: 'sign', text: SIGNS.get(text) as Sign, at });
    else throw notUnderstood(characterAt(expression, index), at);
  }
}

/** The failure for something that has no meaning in an expression. `text` is what stands there. */
export function notUnderstood(text: string, at: number, hint = ''): Refusal {
  const shown = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
  const sentence = `\`${shown}\` at position ${at} is not understood.`;
  return new Refusal('invalid_expression', hint === '' ? sentence : `${sentence} ${hint}`);
}

/** Characters of the expression that a message repeats at most. */
const LONGEST_QUOTE = 40;

function positionOf(expression: string, index: number): number {
  return [...expression.slice(0, index)].length + 1;
}

/** The character for a message. Control characters and lone surrogates by number: Postgres stores no NUL and no half character. */
function characterAt(expression: string, index: number): string {
  const code = expression.codePointAt(index) ?? 0;
  const printable = !/[\p{C}\p{Z}]/u.test(String.fromCodePoint(code));
  return printable ? String.fromCodePoint(code) : `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}
