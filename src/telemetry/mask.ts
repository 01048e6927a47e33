/**
 * Masks secrets and personal marks in a line of the log: e-mail addresses, keys (`lh_…`, `sk-…`, `Bearer …`), the credentials of a URL, and
 * card numbers (13 to 19 digits, alone or in groups, with a valid check digit). It works on the JSON text of the whole line, so
 * depth and place do not matter: names of fields, messages, stacks and numbers are covered too.
 */
export function mask(line: string): string {
  const withoutSecrets = SECRET.test(line) ? line.replace(SECRETS, secretMasker()) : line;
  return withoutSecrets.includes('@') ? withoutSecrets.replace(WORDS, maskEmail) : withoutSecrets;
}

/** Nearly no line has any of these: it is let through after this one look. */
const SECRET = /lh_|sk-|bearer|:\/\/[^\s/@"\\]{1,256}@|\d(?:[ -]?\d){12}/i;

// Both expressions take a line from left to right and have escapes as tokens of their own: a mask must not cut one in two.
const ESCAPE = String.raw`\\(?:u[0-9a-fA-F]{4}|.)`;
/** What stands before is no part of it: the last letter of an escape looks like one. */
const AFTER_ESCAPE = String.raw`(?<=\\u[0-9a-fA-F]{4})|(?<=\\[^u])`;
const START = String.raw`(?:(?<![A-Za-z0-9])|${AFTER_ESCAPE})`;
const SECRETS = new RegExp(
  [
    ESCAPE,
    String.raw`(?<quote>")`,
    String.raw`(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])`, // a trace id, which may hold 13 digits in a row
    String.raw`(?<bearer>${START}Bearer +[\w.~+/=-]+)`,
    String.raw`(?<key>lh_[\w-]{8,}|${START}sk-[\w-]{8,})`,
    String.raw`(?<login>(?<=:\/\/)[^\s/@"\\]{1,256}@)`,
    String.raw`(?<number>(?<=[:,[])-?\d[\d.eE+-]*(?=[,\]}]))`,
    String.raw`(?<digits>(?:(?<!\d)|${AFTER_ESCAPE})\d(?:[ -]?\d){12,}(?!\d))`,
  ].join('|'),
  'gi',
);
/** Words, each with the domain that makes it an address. Whole words: from every letter of a long one it would cost its square. */
const WORDS = new RegExp(
  String.raw`${ESCAPE}|[\p{L}\p{N}._%+'!#$&*=?^{|}~\x60-]+(?<domain>@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+)?`,
  'gu',
);

const KEY = '[key]';
const CARD = '[card]';
const MOST_DIGITS = 19;

function secretMasker(): (...match: unknown[]) => string {
  let inText = false;
  return (...match) => {
    const token = match[0] as string;
    const { quote, bearer, key, login, number, digits } = match.at(-1) as Record<string, string>;
    if (quote !== undefined) inText = !inText;
    if (bearer !== undefined) return `${token.slice(0, 'Bearer'.length)} ${KEY}`;
    if (key !== undefined) return KEY;
    if (login !== undefined) return '[login]@';
    // A number that is a value of its own becomes a text: the line stays JSON.
    if (number !== undefined && !inText) return isCard(token) ? `"${CARD}"` : token;
    return number !== undefined || digits !== undefined ? withoutCards(token) : token;
  };
}

function maskEmail(...match: unknown[]): string {
  const { domain } = match.at(-1) as Record<string, string>;
  return domain === undefined ? (match[0] as string) : '[email]';
}

/** Digits in groups, of which some that follow each other may be a card number. */
function withoutCards(text: string): string {
  const groups = text.split(/([ -])/); // digits and separators in turn
  const kept: string[] = [];
  for (let from = 0; from < groups.length; from += 1) {
    const to = from % 2 === 0 ? endOfCard(groups, from) : null;
    kept.push(to === null ? groups[from]! : CARD);
    from = (to ?? from + 1) - 1;
  }
  return kept.join('');
}

/** Index after the longest card number that begins with the group `from`, or null. */
function endOfCard(groups: string[], from: number): number | null {
  let digits = '';
  let end: number | null = null;
  for (let i = from; i < groups.length; i += 2) {
    digits += groups[i]!;
    if (digits.length > MOST_DIGITS) break;
    if (isCard(digits)) end = i + 1;
  }
  return end;
}

/** 13 to 19 digits whose last one is the check digit of the others (ISO/IEC 7812-1, the Luhn formula). */
function isCard(digits: string): boolean {
  if (!/^\d{13,19}$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const weighed = i % 2 === 0 ? digit : digit * 2;
    sum += weighed > 9 ? weighed - 9 : weighed;
  }
  return sum % 10 === 0;
}
