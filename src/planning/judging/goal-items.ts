/** A piece of a goal as the judge reads it. Its reading is its own: it shares no code with any planner. */
export interface GoalItem {
  kind: 'word' | 'number' | 'quote' | 'sign' | 'mark';
  /** Words in lower case, numbers as plain decimals. */
  text: string;
}

const QUOTES: Readonly<Record<string, string>> = {
  '"': '"',
  '“': '”',
  '„': '“”',
  '«': '»',
  '`': '`',
  "'": "'",
  '‘': '’',
};
const PIECE =
  /(?<=\d)x(?=\d)|(?<number>\d+(?:,\d{3})*(?:\.\d+)?(?![\p{L}\d])|\.\d+|\d+(?=x\d))|(?<word>\p{L}[\p{L}\p{N}]*(?:['’_-][\p{L}\p{N}]+)*)|\*\*|[<>!=]=|(?<other>\S)/giu;
const SIGNS: Readonly<Record<string, string>> = { '×': '*', '·': '*', '÷': '/', '−': '-', '**': '^', x: '*' };
const MARKS = ',.;:?!…';

/** Values of number words; those from a hundred on multiply. */
const SMALL: ReadonlyMap<string, number> = new Map(
  [
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen',
    'eighteen nineteen',
  ]
    .join(' ')
    .split(' ')
    .map((word, value) => [word, value]),
);
const TENS: ReadonlyMap<string, number> = new Map(
  'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ').map((word, at) => [word, (at + 2) * 10]),
);
const LARGE: ReadonlyMap<string, number> = new Map([
  ['thousand', 1e3],
  ['million', 1e6],
  ['billion', 1e9],
]);

/** Cuts a goal into pieces; `texts` are todo texts without quotes, each read as one quote where it stands. Null: not readable. */
export function readItems(goal: string, texts: readonly string[]): GoalItem[] | null {
  const items: GoalItem[] = [];
  const unused = [...texts];
  let plain = '';
  const flush = (): void => {
    for (const part of splitAt(plain, unused)) {
      if (part.isText) items.push({ kind: 'quote', text: part.text });
      else items.push(...pieces(part.text));
    }
    plain = '';
  };
  for (let at = 0; at < goal.length; at += 1) {
    const closers = QUOTES[goal.charAt(at)];
    const isApostrophe = "'‘".includes(goal.charAt(at));
    if (closers === undefined || (isApostrophe && isWordChar(goal.charAt(at - 1)))) {
      plain += goal.charAt(at);
      continue;
    }
    const end = closing(goal, at + 1, closers, isApostrophe);
    if (end === null) return null;
    flush();
    items.push({ kind: 'quote', text: goal.slice(at + 1, end) });
    at = end;
  }
  flush();
  return withNumberWords(items);
}

/** Adds number words up: "two hundred and five" becomes 205. */
function withNumberWords(items: readonly GoalItem[]): GoalItem[] {
  const result: GoalItem[] = [];
  for (let at = 0; at < items.length;) {
    const run = wordsOfNumber(items, at);
    if (run.length === 0) {
      result.push(items[at] as GoalItem);
      at += 1;
    } else {
      result.push({ kind: 'number', text: valueOf(run.flatMap((word) => word.split('-'))) });
      at += run.length;
    }
  }
  return result;
}

function wordsOfNumber(items: readonly GoalItem[], from: number): string[] {
  const run: string[] = [];
  let isFraction = false;
  for (let at = from; items[at]?.kind === 'word'; at += 1) {
    const { text } = items[at] as GoalItem;
    const before = run.at(-1) ?? '';
    const isNumber = text.split('-').every((word) => SMALL.has(word) || TENS.has(word) || isMultiplier(word));
    const next = items[at + 1];
    const isNextNumber =
      next?.kind === 'word' && next.text.split('-').every((word) => SMALL.has(word) || TENS.has(word));
    const joins: boolean = text === 'and' && !isFraction && isMultiplier(before) && isNextNumber;
    const points: boolean = text === 'point' && run.length > 0 && !isFraction && isNextNumber;
    if (!isNumber && !joins && !points) break;
    isFraction ||= points;
    run.push(text);
  }
  // "one third", "one quarter" are shares, not numbers.
  const after = items[from + run.length]?.text ?? '';
  return run.length === 1 && /^(?:third|quarter)$/.test(after) ? [] : run;
}

function isMultiplier(word: string): boolean {
  return word === 'hundred' || LARGE.has(word);
}

function valueOf(words: readonly string[]): string {
  const point = words.indexOf('point');
  const whole = point < 0 ? words : words.slice(0, point);
  let total = 0;
  let current = 0;
  for (const word of whole) {
    if (word === 'hundred') current *= 100;
    else if (LARGE.has(word)) {
      total += current * (LARGE.get(word) as number);
      current = 0;
    } else current += SMALL.get(word) ?? TENS.get(word) ?? 0;
  }
  const digits =
    point < 0
      ? ''
      : `.${words
          .slice(point + 1)
          .map((word) => SMALL.get(word))
          .join('')}`;
  return plainNumber(`${total + current}${digits}`);
}

/** A number without what does not change it, so that equal ones are equal texts: `1,050.50` is `1050.5`. */
export function plainNumber(text: string): string {
  const [whole = '', fraction = ''] = text.replaceAll(',', '').split('.');
  const digits = fraction.replace(/0+$/, '');
  return `${whole.replace(/^0+(?=\d)/, '') || '0'}${digits === '' ? '' : `.${digits}`}`;
}

function pieces(text: string): GoalItem[] {
  return [...text.matchAll(PIECE)].map((match): GoalItem => {
    const { number, word } = match.groups as { number?: string; word?: string };
    if (number !== undefined) return { kind: 'number', text: plainNumber(number) };
    if (word !== undefined && word.toLowerCase() !== 'x')
      return { kind: 'word', text: word.toLowerCase().replaceAll('’', "'") };
    const [sign] = match;
    if (MARKS.includes(sign)) return { kind: 'mark', text: sign };
    return { kind: 'sign', text: SIGNS[sign.toLowerCase()] ?? sign };
  });
}

/** Cuts the first place of each text out. */
function splitAt(plain: string, texts: string[]): { text: string; isText: boolean }[] {
  const found = texts.findIndex((text) => placeOf(plain, text) >= 0);
  if (found < 0) return [{ text: plain, isText: false }];
  const [text] = texts.splice(found, 1) as [string];
  const at = placeOf(plain, text);
  return [
    ...splitAt(plain.slice(0, at), texts),
    { text, isText: true },
    ...splitAt(plain.slice(at + text.length), texts),
  ];
}

/** Where a text stands as whole words; below zero where it does not. */
function placeOf(plain: string, text: string): number {
  for (let at = plain.indexOf(text); at >= 0; at = plain.indexOf(text, at + 1)) {
    if (!isWordChar(plain.charAt(at - 1)) && !isWordChar(plain.charAt(at + text.length))) return at;
  }
  return -1;
}

function closing(goal: string, from: number, closers: string, isApostrophe: boolean): number | null {
  for (let at = from; at < goal.length; at += 1) {
    if (closers.includes(goal.charAt(at)) && !(isApostrophe && isWordChar(goal.charAt(at + 1)))) return at;
  }
  return null;
}

function isWordChar(char: string): boolean {
  return /[\p{L}\p{N}]/u.test(char);
}
