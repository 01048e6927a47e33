import { NotUnderstood } from './refusal';

/** A word in lower case, a number without its commas, the inside of a quote, an operator sign, a mark between clauses. */
export interface Token {
  kind: 'word' | 'number' | 'quote' | 'sign' | 'mark' | 'end';
  text: string;
  /** Where it stands in the goal. */
  start: number;
  end: number;
}

// Sticky and without nested repetition: each reads its token in time linear in its length.
const SPACE = /[^\S\n]+/uy;
const NUMBER = /(?:\d+(?:,\d+)*(?:\.\d+)*|\.\d+)/y;
const PLAIN_NUMBER = /^(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d+)?$/;
const WORD = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’_-][\p{L}\p{M}\p{N}]+)*/uy;
const WORD_CHAR = /[\p{L}\p{M}\p{N}]/u;
const SIGN = /(?:\*\*|[<>!=]=|[-+*/^()%=<>×÷·−≤≥≠])/uy;

const CLOSERS: Readonly<Record<string, string>> = {
  '"': '"',
  '“': '”',
  '„': '“”',
  '«': '»',
  '`': '`',
  "'": "'",
  '‘': '’',
};

const SAME_SIGN: Readonly<Record<string, string>> = {
  '**': '^',
  '×': '*',
  '·': '*',
  '÷': '/',
  '−': '-',
  '≤': '<=',
  '≥': '>=',
  '≠': '!=',
  '==': '=',
};

/**
 * Takes a goal apart; every character but white space is part of a token.
 * @throws NotUnderstood for a quote that is not closed, a number that can be read in two ways, any other character.
 */
export function tokenize(goal: string): Token[] {
  const tokens: Token[] = [];
  for (let at = skipSpace(goal, 0); at < goal.length;) {
    const token = tokenAt(goal, at, tokens.at(-1));
    tokens.push(token);
    at = skipSpace(goal, token.end);
  }
  tokens.push({ kind: 'end', text: '', start: goal.length, end: goal.length });
  return tokens;
}

function tokenAt(goal: string, at: number, before: Token | undefined): Token {
  const char = goal.charAt(at);
  const quote = quoteAt(goal, at);
  if (quote) return quote;
  if (',.;:?!…\n'.includes(char) && !(char === '.' && /\d/.test(goal.charAt(at + 1)))) {
    if (char !== '!' || goal.charAt(at + 1) !== '=') return token('mark', char, at, at + 1);
  }
  const number = match(NUMBER, goal, at);
  if (number !== null) {
    const next = goal.charAt(at + number.length);
    // 12x7: the x is a sign when digits stand on both sides.
    const isTimes = /[xX]/.test(next) && /\d/.test(goal.charAt(at + number.length + 1));
    if (isTimes || !WORD_CHAR.test(next)) return numberToken(number, at);
  }
  const word = match(WORD, goal, at);
  if (word !== null) {
    const isTimes = /^[xX]\d/.test(word) && before?.kind === 'number' && before.end === at;
    if (isTimes) return token('sign', '*', at, at + 1);
    return token('word', word.toLowerCase().replaceAll('’', "'"), at, at + word.length);
  }
  const sign = match(SIGN, goal, at);
  if (sign !== null) return token('sign', SAME_SIGN[sign] ?? sign, at, at + sign.length);
  throw new NotUnderstood('it holds a character that has no meaning here', at);
}

function numberToken(text: string, at: number): Token {
  if (!PLAIN_NUMBER.test(text)) {
    throw new NotUnderstood('the number can be read in two ways; write 1234.5 or 1,234.5', at);
  }
  const digits = text.replaceAll(',', '');
  return token('number', digits.startsWith('.') ? `0${digits}` : digits, at, at + text.length);
}

/** A quote of any kind. Signs that are also apostrophes only open and close at the edge of a word. */
function quoteAt(goal: string, at: number): Token | null {
  const opener = goal.charAt(at);
  const closers = CLOSERS[opener];
  if (closers === undefined) return null;
  const isApostrophe = opener === "'" || opener === '‘';
  if (isApostrophe && at > 0 && WORD_CHAR.test(goal.charAt(at - 1))) return null;
  for (let end = at + 1; end < goal.length; end += 1) {
    if (!closers.includes(goal.charAt(end))) continue;
    if (isApostrophe && WORD_CHAR.test(goal.charAt(end + 1))) continue;
    const text = goal.slice(at + 1, end);
    if (text.trim() === '') throw new NotUnderstood('the quote is empty', at);
    return token('quote', text, at, end + 1);
  }
  throw new NotUnderstood('the quote is not closed', at);
}

function match(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function skipSpace(goal: string, at: number): number {
  return at + (match(SPACE, goal, at)?.length ?? 0);
}

function token(kind: Token['kind'], text: string, start: number, end: number): Token {
  return { kind, text, start, end };
}
