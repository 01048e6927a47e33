import { abs, bits, fraction, fromDecimal, round, tooLarge, type Rational } from './rational';

/** Significant digits of values that have no exact fraction: roots, pi, e and what is calculated from them. */
export const INEXACT_DIGITS = 34;

/** Significant digits on which double arithmetic can be relied. */
const DOUBLE_DIGITS = 15;

export const PI = fromDecimal('3.141592653589793238462643383279503');
export const E = fromDecimal('2.718281828459045235360287471352662');

/** `a` cut to `INEXACT_DIGITS`, so that inexact values stay small through any number of operations. */
export function shorten(a: Rational): Rational {
  return a.num === 0n ? a : round(a, INEXACT_DIGITS - 1 - exponentOf(a));
}

/** The exponent of scientific notation: 0 for 1 to 9.99…, -1 for 0.1. `a` is not zero. */
export function exponentOf({ num, den }: Rational): number {
  const size = abs(num);
  const guess = size.toString().length - den.toString().length;
  const reaches = guess < 0 ? size * 10n ** BigInt(-guess) >= den : size >= den * 10n ** BigInt(guess);
  return reaches ? guess : guess - 1;
}

/** The square root of `a` ≥ 0: exact when numerator and denominator are squares, else null. */
export function exactRoot(a: Rational): Rational | null {
  const [num, den] = [rootOf(a.num), rootOf(a.den)];
  return num * num === a.num && den * den === a.den ? { num, den } : null;
}

/** The square root of `a` ≥ 0 to `INEXACT_DIGITS` significant digits. */
export function inexactRoot(a: Rational): Rational {
  if (a.num === 0n) return a;
  // Enough decimals that the whole root under them has more digits than are kept.
  const decimals = BigInt(Math.max(0, INEXACT_DIGITS + 2 - Math.floor(exponentOf(a) / 2)));
  const root = rootOf((a.num * 10n ** (2n * decimals)) / a.den);
  return shorten({ num: root, den: 10n ** decimals });
}

/** `a` to a whole power, shortened after every step: squares and multiplies from the exponent's highest bit on. */
export function inexactPower(a: Rational, exponent: bigint): Rational {
  const base = exponent < 0n ? shorten(fraction(a.den, a.num)) : a;
  let result: Rational = { num: 1n, den: 1n };
  for (const bit of abs(exponent).toString(2)) {
    result = shorten(fraction(result.num ** 2n, result.den ** 2n));
    if (bit === '1') result = shorten(fraction(result.num * base.num, result.den * base.den));
  }
  return result;
}

/**
 * `a` > 0 to any power by double arithmetic, rounded to 15 significant digits: so 64^(1/3) is 4, not 3.9999999999999996.
 * @throws Refusal `result_too_large` where a part or the result is outside the range of a double.
 */
export function doublePower(a: Rational, exponent: Rational): Rational {
  const result = nearestDouble(a) ** nearestDouble(exponent);
  if (!Number.isFinite(result) || result === 0) throw tooLarge();
  return fromDecimal(result.toPrecision(DOUBLE_DIGITS));
}

/** The double nearest to `a`, ties to even; 0 or infinity outside the range. Exact down to 2^-1022. */
export function nearestDouble(a: Rational): number {
  if (a.num === 0n) return 0;
  // A quotient of 64 or 65 bits, whose last bit tells whether anything was cut off, rounds as the whole fraction would.
  const shift = 64 - bits(a.num) + bits(a.den);
  const num = shift > 0 ? abs(a.num) << BigInt(shift) : abs(a.num);
  const den = shift > 0 ? a.den : a.den << BigInt(-shift);
  const quotient = (num / den) | (num % den === 0n ? 0n : 1n);
  // In two steps, because 2^-shift alone may be outside the range while the result is not.
  const half = Math.trunc(shift / 2);
  const size = Number(quotient) * 2 ** -half * 2 ** (half - shift);
  return a.num < 0n ? -size : size;
}

/** The largest whole number whose square is not above `a` ≥ 0, by Newton's method from above. */
function rootOf(a: bigint): bigint {
  if (a < 2n) return a;
  let root = 1n << BigInt(Math.ceil(bits(a) / 2));
  for (;;) {
    const better = (root + a / root) >> 1n;
    if (better >= root) return root;
    root = better;
  }
}
