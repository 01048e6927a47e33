import { exponentOf, INEXACT_DIGITS, nearestDouble, shorten } from './inexact';
import { abs, fromDecimal, MAX_DIGITS, tooLarge, type Rational } from './rational';

/** A number on the way: a fraction, and whether it is the true one. */
export interface Value {
  readonly rational: Rational;
  readonly exact: boolean;
}

/** A value; inexact ones are kept short, because their further digits mean nothing. */
export function value(rational: Rational, exact: boolean): Value {
  return { rational: exact ? rational : shorten(rational), exact };
}

/** A result as JSON. `value` is a number where a double says it, else decimal digits in a string. */
export interface Result {
  value: number | string;
  /** Whether `value` is the true result, to its last digit. */
  exact: boolean;
}

/** Smallest double with full precision; below it a number would lose digits without a word. */
const SMALLEST_NORMAL = 2 ** -1022;

/**
 * What is said of a value: the number whose shortest form has exactly its digits; else, when it is exact and ends, all its
 * digits in a string; else the nearest number, not exact. Inexact values beyond the range of a double are strings with 34 digits.
 * @throws Refusal `result_too_large` when an exact decimal has more than `MAX_DIGITS` digits.
 */
export function toResult({ rational, exact }: Value): Result {
  const nearest = nearestDouble(rational);
  const inRange = rational.num === 0n || (Math.abs(nearest) >= SMALLEST_NORMAL && Number.isFinite(nearest));
  const decimals = exact ? decimalsOf(rational.den) : null;
  if (decimals === null) return { value: inRange ? nearest : scientific(rational), exact: false };
  if (inRange && saysExactly(nearest, rational)) return { value: nearest, exact: true };
  return { value: positional(rational, decimals), exact: true };
}

/** Digits after the point of a fraction with this denominator; null when they never end. */
function decimalsOf(den: bigint): number | null {
  let rest = den;
  let twos = 0;
  let fives = 0;
  for (; rest % 2n === 0n; rest /= 2n) twos += 1;
  for (; rest % 5n === 0n; rest /= 5n) fives += 1;
  return rest === 1n ? Math.max(twos, fives) : null;
}

function saysExactly(double: number, { num, den }: Rational): boolean {
  const said = fromDecimal(String(Math.abs(double)));
  return said.num === abs(num) && said.den === den;
}

function positional({ num, den }: Rational, decimals: number): string {
  const digits = ((abs(num) * 10n ** BigInt(decimals)) / den).toString().padStart(decimals + 1, '0');
  if (digits.length > MAX_DIGITS) throw tooLarge();
  const whole = digits.slice(0, digits.length - decimals);
  const text = decimals === 0 ? whole : `${whole}.${digits.slice(-decimals)}`;
  return num < 0n ? `-${text}` : text;
}

/** 34 significant digits in a form that the calculator itself reads: `3.3e499`. */
function scientific(rational: Rational): string {
  const { num, den } = shorten(rational);
  const exponent = exponentOf({ num, den });
  const shift = INEXACT_DIGITS - 1 - exponent;
  const digits = shift < 0 ? abs(num) / 10n ** BigInt(-shift) : (abs(num) * 10n ** BigInt(shift)) / den;
  const [, first = '', rest = ''] = /^(\d)(\d*?)0*$/.exec(digits.toString()) ?? [];
  return `${num < 0n ? '-' : ''}${first}${rest === '' ? '' : `.${rest}`}e${exponent}`;
}
