import { readNumber } from './numbers';
import type { Reader } from './reader';

/** One earlier result as the goal calls it. `at` is where, for messages. */
export type OneResult =
  | { which: 'it' | 'result' | 'implied'; at: number }
  /** "the sum": the result, which must be one. */
  | { which: 'named'; sign: string; at: number }
  /** "the second result", from 1; -1 is the last. */
  | { which: 'numbered'; number: number; at: number };

/** Several earlier results; `count` where the goal says how many they are. */
export interface ManyResults {
  count: number | null;
  at: number;
}

const NOUNS = ['result', 'answer', 'outcome'] as const;
const NAMED: Readonly<Record<string, string>> = {
  sum: '+',
  total: '+',
  product: '*',
  difference: '-',
  quotient: '/',
};
const ORDINALS: Readonly<Record<string, number>> = {
  first: 1,
  second: 2,
  third: 3,
  fourth: 4,
  fifth: 5,
  last: -1,
};

const MANY: readonly string[] = [
  'both of the results',
  'both the results',
  'both of them',
  'both results',
  'both answers',
  'both',
];
const ALL: readonly string[] = [
  'all of the results',
  'all of these results',
  'all the results',
  'all of them',
  'all results',
  'all answers',
  'each of the results',
  'each of them',
  'each result',
  'each answer',
  'every result',
  'these results',
  'those results',
  'the results',
  'the answers',
  'them',
];

/** "the result", "it", "the sum", "the second result"; null, with nothing taken, where none comes next. */
export function readOneResult(reader: Reader): OneResult | null {
  const at = reader.peek().start;
  return reader.attempt((): OneResult | null => {
    if (reader.accept('it')) return { which: 'it', at };
    if (reader.accept('that result') || reader.accept('this result')) return { which: 'result', at };
    if (!reader.accept('the')) return null;
    const word = reader.take().text;
    // "the sum of 3 and 4" is a calculation, "the result of 3 + 4" too.
    if (reader.sees('of') || reader.sees('between')) return null;
    if (NOUNS.some((noun) => noun === word)) return { which: 'result', at };
    const sign = Object.hasOwn(NAMED, word) ? NAMED[word] : undefined;
    if (sign !== undefined) return { which: 'named', sign, at };
    const number = Object.hasOwn(ORDINALS, word) ? ORDINALS[word] : undefined;
    if (number === undefined || reader.acceptOne(NOUNS) === null) return null;
    return { which: 'numbered', number, at };
  });
}

/** "both results", "all three results", "them"; null, with nothing taken, where none comes next. */
export function readManyResults(reader: Reader): ManyResults | null {
  const at = reader.peek().start;
  if (reader.acceptOne(MANY)) return { count: 2, at };
  const counted = reader.attempt((): ManyResults | null => {
    if (!reader.accept('the') && !(reader.accept('all') && (reader.accept('the') || true))) return null;
    const count = readNumber(reader);
    if (count === null || !(reader.accept('results') || reader.accept('answers'))) return null;
    return { count: Number(count), at };
  });
  if (counted) return counted;
  return reader.acceptOne(ALL) ? { count: null, at } : null;
}

/** Whether one or several earlier results come next. */
export function seesResult(reader: Reader): boolean {
  const start = reader.at;
  const isResult = readManyResults(reader) !== null || readOneResult(reader) !== null;
  reader.at = start;
  return isResult;
}
