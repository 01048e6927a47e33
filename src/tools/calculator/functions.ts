import { Refusal } from '../../contracts/refusal';
import { exactRoot, inexactRoot } from './inexact';
import { abs, compare, floor, fraction, MAX_DIGITS, negate, round, type Rational } from './rational';
import { value, type Value } from './value';

interface MathFunction {
  /** How many arguments it takes: at least, at most. */
  takes: [least: number, most: number];
  apply(args: [Value, ...Value[]], at: number): Value;
}

/** A Map, so that `constructor` and other names of Object's prototype are no functions. */
const FUNCTIONS: ReadonlyMap<string, MathFunction> = new Map<string, MathFunction>([
  ['abs', { takes: [1, 1], apply: ([x]) => map(x, (a) => ({ num: abs(a.num), den: a.den })) }],
  ['round', { takes: [1, 2], apply: ([x, decimals], at) => roundTo(x, decimals, at) }],
  ['floor', { takes: [1, 1], apply: ([x]) => map(x, (a) => fraction(floor(a))) }],
  ['ceil', { takes: [1, 1], apply: ([x]) => map(x, (a) => fraction(-floor(negate(a)))) }],
  ['min', { takes: [1, Infinity], apply: (args) => pick(args, (order) => order < 0) }],
  ['max', { takes: [1, Infinity], apply: (args) => pick(args, (order) => order > 0) }],
  ['sqrt', { takes: [1, 1], apply: ([x], at) => squareRoot(x, at) }],
]);

export const FUNCTION_NAMES: readonly string[] = [...FUNCTIONS.keys()];

export function isFunction(name: string): boolean {
  return FUNCTIONS.has(name);
}

/**
 * Calls a known function; `at` is the position that messages name.
 * @throws Refusal `invalid_expression` for arguments that it does not take.
 */
export function callFunction(name: string, args: Value[], at: number): Value {
  const { takes, apply } = FUNCTIONS.get(name) as MathFunction;
  const [first, ...rest] = args;
  if (first === undefined || args.length < takes[0] || args.length > takes[1]) {
    const count =
      takes[0] === takes[1] ? `${takes[0]}` : `${takes[0]} ${takes[1] === 2 ? 'or 2' : 'or more'}`;
    throw new Refusal(
      'invalid_expression',
      `\`${name}\` at position ${at} takes ${count} argument${count === '1' ? '' : 's'}, not ${args.length}.`,
    );
  }
  return apply([first, ...rest], at);
}

function map(x: Value, change: (a: Rational) => Rational): Value {
  return value(change(x.rational), x.exact);
}

function roundTo(x: Value, decimals: Value | undefined, at: number): Value {
  const { num, den } = decimals?.rational ?? fraction(0n);
  if (den !== 1n || abs(num) > BigInt(MAX_DIGITS)) {
    throw new Refusal(
      'invalid_expression',
      `\`round\` at position ${at} takes a whole number of digits from -${MAX_DIGITS} to ${MAX_DIGITS}.`,
    );
  }
  return value(round(x.rational, Number(num)), x.exact && (decimals?.exact ?? true));
}

/** The first argument that none of the others beats. Inexact when any is: which one wins may hang on cut digits. */
function pick([first, ...rest]: [Value, ...Value[]], beats: (order: number) => boolean): Value {
  let best = first.rational;
  for (const { rational } of rest) if (beats(compare(rational, best))) best = rational;
  return value(best, first.exact && rest.every(({ exact }) => exact));
}

function squareRoot(x: Value, at: number): Value {
  if (x.rational.num < 0n) {
    throw new Refusal('invalid_expression', `\`sqrt\` at position ${at} takes no negative number.`);
  }
  const root = exactRoot(x.rational);
  return root === null ? value(inexactRoot(x.rational), false) : value(root, x.exact);
}
