import { cut } from './cut';

/** Digits of a whole number that a double always keeps. */
const KEPT_DIGITS = 15;
/** Digits of the largest number there is. */
const MOST_DIGITS = 309;
const SHOWN_CHARS = 30;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The first whole number of a JSON text that JSON.parse would make another one of, as it is written, cut to 30 characters; null where
 * there is none. An id of 19 digits would become another id in silence. What has a point or an exponent was not meant to the last digit.
 * One pass over bytes of UTF-8, and no memory whatever they are.
 */
export function lostNumber(json: Uint8Array): string | null {
  let quoted = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (quoted) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (isOfNumber(byte)) {
      const from = at;
      while (isOfNumber(json[at + 1])) at += 1;
      if (at - from < KEPT_DIGITS) continue;
      const number = Buffer.from(json.subarray(from, at + 1)).toString('latin1');
      if (losesDigits(number)) return cut(number, SHOWN_CHARS);
    }
  }
  return null;
}

function losesDigits(number: string): boolean {
  const digits = /^-?(\d+)$/.exec(number)?.[1];
  if (digits === undefined) return false;
  return (
    digits.length > MOST_DIGITS ||
    !Number.isFinite(Number(digits)) ||
    BigInt(digits) !== BigInt(Number(digits))
  );
}

/** A digit, or one of `+-.eE`. */
function isOfNumber(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e ||
    (byte | 0x20) === 0x65
  );
}
