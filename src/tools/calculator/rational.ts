import { Refusal } from '../../contracts/refusal';

/** Digits that a numerator, a denominator and a written result have at most, intermediate ones too. */
export const MAX_DIGITS = 1_000;

const BOUND = 10n ** BigInt(MAX_DIGITS);

/** log2 of `BOUND`. */
const MAX_BITS = MAX_DIGITS * Math.log2(10);

/** An exact fraction in lowest terms; `den` is positive. */
export interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}

/**
 * The fraction num/den in lowest terms.
 * @throws Refusal `division_by_zero`, or `result_too_large` when a part has more than `MAX_DIGITS` digits.
 */
export function fraction(num: bigint, den: bigint = 1n): Rational {
  if (den === 0n) throw new Refusal('division_by_zero', 'The expression divides by zero.');
  if (den === 1n) return bounded(num, 1n);
  const divisor = den < 0n ? -gcd(num, den) : gcd(num, den);
  return bounded(num / divisor, den / divisor);
}

export function add(a: Rational, b: Rational): Rational {
  return fraction(a.num * b.den + b.num * a.den, a.den * b.den);
}

export function negate(a: Rational): Rational {
  return { num: -a.num, den: a.den };
}

export function multiply(a: Rational, b: Rational): Rational {
  return fraction(a.num * b.num, a.den * b.den);
}

export function divide(a: Rational, b: Rational): Rational {
  return fraction(a.num * b.den, a.den * b.num);
}

/** The largest whole number that is not above `a`. */
export function floor(a: Rational): bigint {
  const quotient = a.num / a.den;
  return a.num < 0n && a.num % a.den !== 0n ? quotient - 1n : quotient;
}

/** The remainder of floored division: it has the sign of `b`, so -7 % 3 is 2. */
export function modulo(a: Rational, b: Rational): Rational {
  const divisor = b.num * a.den;
  if (divisor === 0n)
    throw new Refusal('division_by_zero', 'The expression takes a remainder of a division by zero.');
  const remainder = (((a.num * b.den) % divisor) + divisor) % divisor;
  return fraction(remainder, a.den * b.den);
}

/** Below zero when a < b, zero when equal, above zero when a > b. */
export function compare(a: Rational, b: Rational): number {
  const difference = a.num * b.den - b.num * a.den;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** `a` to a whole power; negative ones too, and x^0 is 1 for every x. The size is estimated before anything is computed. */
export function power(a: Rational, exponent: bigint): Rational {
  const { num, den } = exponent < 0n ? divide({ num: 1n, den: 1n }, a) : a;
  const times = exponent < 0n ? -exponent : exponent;
  const largest = abs(num) > den ? abs(num) : den;
  // 0, 1 and -1 stay small however often they are multiplied: only whether the exponent is even counts.
  if (largest === 1n) return times === 0n ? { num: 1n, den } : { num: num ** (times % 2n || 2n), den };
  // 2^(bits - 1) is the least number with that many bits: what exceeds the bound by this estimate exceeds it for sure, and
  // what does not has at most twice the digits, so computing it is cheap.
  if (times > BigInt(Math.ceil(MAX_BITS)) || (bits(largest) - 1) * Number(times) > MAX_BITS) throw tooLarge();
  return bounded(num ** times, den ** times);
}

/** `a` with so many digits after the point, negative ones before it; halves go away from zero. */
export function round(a: Rational, decimals: number): Rational {
  const scale = 10n ** BigInt(Math.abs(decimals));
  const num = decimals < 0 ? abs(a.num) : abs(a.num) * scale;
  const den = decimals < 0 ? a.den * scale : a.den;
  const size = (2n * num + den) / (2n * den);
  const rounded = a.num < 0n ? -size : size;
  return decimals < 0 ? fraction(rounded * scale) : fraction(rounded, scale);
}

/** The fraction that a decimal literal (`12`, `.5`, `1e-3`) stands for. */
export function fromDecimal(text: string): Rational {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', decimals = ''] = mantissa.split('.');
  const digits = BigInt(whole + decimals);
  if (digits === 0n) return { num: 0n, den: 1n };
  const shift = Number(exponent) - decimals.length;
  if (Math.abs(shift) > 2 * MAX_DIGITS) throw tooLarge();
  const scale = 10n ** BigInt(Math.abs(shift));
  return shift < 0 ? fraction(digits, scale) : fraction(digits * scale);
}

/** Length in bits, without the sign. */
export function bits(a: bigint): number {
  return abs(a).toString(2).length;
}

export function abs(a: bigint): bigint {
  return a < 0n ? -a : a;
}

export function tooLarge(): Refusal {
  return new Refusal(
    'result_too_large',
    `The result, or one on the way to it, needs more than ${MAX_DIGITS} digits. Round on the way, or use smaller numbers.`,
  );
}

function bounded(num: bigint, den: bigint): Rational {
  if (abs(num) >= BOUND || den >= BOUND) throw tooLarge();
  return { num, den };
}

/** Greatest common divisor, above zero; `b` is not zero. */
function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [abs(a), abs(b)];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
