import type { Reader } from './reader';

const UNITS: readonly string[] = 'zero one two three four five six seven eight nine'.split(' ');
const TEENS: readonly string[] =
  'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(' ');
const TENS: readonly string[] = '- - twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const SCALES: readonly (readonly [string, number])[] = [
  ['billion', 1e9],
  ['million', 1e6],
  ['thousand', 1e3],
];

/** Longest number in words, words. */
const MAX_WORDS = 40;

/**
 * A number in digits or in words ("one hundred and seventy", "forty-five point one") as plain digits; null, with nothing
 * taken, where none comes next.
 */
export function readNumber(reader: Reader): string | null {
  if (reader.peek().kind === 'number') return reader.take().text;
  return reader.attempt(() => readWords(reader));
}

/** Whether a number comes next. */
export function seesNumber(reader: Reader): boolean {
  const start = reader.at;
  const isNumber = readNumber(reader) !== null;
  reader.at = start;
  return isNumber;
}

/** The words ahead, those with hyphens taken apart; `ends` says after how many parts a token is complete. */
interface Words {
  parts: string[];
  /** Parts taken so far. */
  at: number;
}

function readWords(reader: Reader): string | null {
  const parts: string[] = [];
  const tokensAfter = new Map<number, number>([[0, 0]]);
  for (let ahead = 0; ahead < MAX_WORDS && reader.peek(ahead).kind === 'word'; ahead += 1) {
    parts.push(...reader.peek(ahead).text.split('-'));
    tokensAfter.set(parts.length, ahead + 1);
  }
  const words: Words = { parts, at: 0 };
  const whole = cardinal(words);
  if (whole === null) return null;
  const fraction = afterPoint(words);
  const tokens = tokensAfter.get(words.at);
  // A number that ends inside a token ("five-year") is none.
  if (tokens === undefined) return null;
  reader.at += tokens;
  return fraction === '' ? String(whole) : `${whole}.${fraction}`;
}

function cardinal(words: Words): number | null {
  let total: number | null = null;
  let limit = Infinity;
  for (;;) {
    const start = words.at;
    // "and" joins what is below a hundred to what is above: "two thousand and five".
    const isJoined: boolean = total !== null && next(words) === 'and';
    if (isJoined) words.at += 1;
    const part: number | null = isJoined ? belowHundred(words) : belowThousand(words);
    const scale: readonly [string, number] | undefined =
      part === null ? undefined : SCALES.find(([word]) => word === next(words));
    const value: number | null = part === null ? null : part * (scale?.[1] ?? 1);
    if (value === null || (scale?.[1] ?? 1) >= limit || (total !== null && part === 0)) {
      words.at = start;
      return total;
    }
    if (scale) words.at += 1;
    total = (total ?? 0) + value;
    limit = scale?.[1] ?? 1;
    if (limit === 1) return total;
  }
}

function belowThousand(words: Words): number | null {
  const first = belowHundred(words);
  if (first === null || first === 0 || next(words) !== 'hundred') return first;
  words.at += 1;
  const start = words.at;
  if (next(words) === 'and') words.at += 1;
  const rest = belowHundred(words);
  if (rest === null || rest === 0) words.at = start;
  return first * 100 + (rest ?? 0);
}

function belowHundred(words: Words): number | null {
  const ten = TENS.indexOf(next(words));
  if (ten >= 2) {
    words.at += 1;
    const unit = UNITS.indexOf(next(words));
    if (unit >= 1) words.at += 1;
    return ten * 10 + Math.max(unit, 0);
  }
  const value =
    UNITS.indexOf(next(words)) >= 0 ? UNITS.indexOf(next(words)) : TEENS.indexOf(next(words)) + 10;
  if (value < 10 && UNITS.indexOf(next(words)) < 0) return null;
  words.at += 1;
  return value;
}

/** The digits after "point", one word each. */
function afterPoint(words: Words): string {
  if (next(words) !== 'point' || UNITS.indexOf(words.parts[words.at + 1] ?? '') < 0) return '';
  words.at += 1;
  let digits = '';
  for (let digit = UNITS.indexOf(next(words)); digit >= 0; digit = UNITS.indexOf(next(words))) {
    digits += digit;
    words.at += 1;
  }
  return digits;
}

function next(words: Words): string {
  return words.parts[words.at] ?? '';
}
