/** Digits of a decimal number that a double always keeps. */
const KEPT_DIGITS = 15;

/**
 * Whether a number that came as JSON may have been written as another one. Whole numbers beyond 2^53 are rounded, which is no harm to 1e300,
 * and makes another customer of an id of 19 digits.
 */
export function mayHaveLostDigits(value: number): boolean {
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return false;
  const [digits] = value.toExponential().split('e');
  return digits!.replace(/[-.]/g, '').length > KEPT_DIGITS;
}
