import { jsonrepair } from 'jsonrepair';
import { lostNumber } from '../../contracts/lost-digits';
import { isTooDeep } from '../input-check';
import { MAX_DEPTH } from '../references';

/** Longest reply that is read at all, characters: far above what `max_output_tokens` of any question here allows. */
export const MAX_REPLY_CHARS = 1_000_000;
/** Longest text that is mended, characters: a plan of 8,192 tokens fits, and the worst case of mending, quadratic, stays at 0.2 s. */
const MAX_MENDED_CHARS = 40_000;

const STRING = /"(?:[^"\\]|\\.)*"/gs;
/** Dots outside of texts: "and so on", which mending would drop without a word. */
const LEFT_OUT = /\.\.\.|…/;

/** What a reply holds, or a sentence about what keeps it from being read; it goes back to the model. */
export type Read<T> = { ok: true; value: T } | { ok: false; problem: string };

const unread = (problem: string): Read<never> => ({ ok: false, problem });

/**
 * The one JSON object of a model's reply. Code fences, prose around it, trailing commas and the like are mended where only one
 * reading is possible: an object that is not closed (the rest may be missing) or a second, different one make it unreadable.
 * Total: whatever the text is, it returns. The object comes from JSON.parse: a key `__proto__` is an own key like any other.
 */
export function readReply(text: string): Read<Record<string, unknown>> {
  if (text.trim() === '') return unread('The reply is empty.');
  if (text.length > MAX_REPLY_CHARS) return unread(`The reply is longer than ${MAX_REPLY_CHARS} characters.`);
  const whole = parsed(text);
  if (whole !== undefined) return objectOf(whole);

  const { objects, isOpen } = objectsIn(text);
  if (isOpen) return unread('The JSON object is not closed; it ends too early, or a brace stands alone.');
  if (objects.length === 0) return unread('The reply holds no JSON object.');
  const sound = objects.map(parsed).filter((one) => one !== undefined);
  const readings = sound.length > 0 ? sound : mended(objects);
  const shallow = readings.map(objectOf);
  const different = new Set(shallow.map((read) => (read.ok ? JSON.stringify(read.value) : read.problem)));
  if (different.size > 1) return unread('The reply holds different JSON objects; one is asked for.');
  return shallow[0] ?? unread('The reply is not valid JSON.');
}

/** Only where there is one text to mend: which of two broken ones is meant cannot be known, nor what dots stand for. */
function mended(objects: readonly string[]): Parsed[] {
  const [only, ...more] = objects;
  if (only === undefined || more.length > 0 || only.length > MAX_MENDED_CHARS) return [];
  if (LEFT_OUT.test(only.replace(STRING, '""'))) return [];
  try {
    // Throws where it finds no way, and by the stack where a text is nested without end.
    const value = parsed(jsonrepair(only));
    return value === undefined ? [] : [value];
  } catch {
    return [];
  }
}

/** A value of a reply, and the first of its numbers that is not what was written. */
interface Parsed {
  value: unknown;
  lost: string | null;
}

function parsed(text: string): Parsed | undefined {
  try {
    return { value: JSON.parse(text), lost: lostNumber(Buffer.from(text)) };
  } catch {
    return undefined;
  }
}

function objectOf({ value, lost }: Parsed): Read<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return unread('The reply is JSON but no object.');
  if (isTooDeep(value)) return unread(`The reply is nested deeper than ${MAX_DEPTH} levels.`);
  if (lost !== null)
    return unread(`The number ${lost} has more digits than a number keeps; write it as a text.`);
  return { ok: true, value: value as Record<string, unknown> };
}

const CLOSED_BY: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** The texts from an opening brace to the one that closes it, outside all others. `isOpen`: one is not closed, or wrongly. */
function objectsIn(text: string): { objects: string[]; isOpen: boolean } {
  const objects: string[] = [];
  const closers: string[] = [];
  let start = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] as string;
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (closers.length === 0) {
      // Quotes and brackets of prose mean nothing.
      if (char !== '{') continue;
      start = at;
      closers.push('}');
    } else if (char === '"') inString = true;
    else if (char in CLOSED_BY) closers.push(CLOSED_BY[char] as string);
    else if (char === '}' || char === ']') {
      if (closers.pop() !== char) return { objects, isOpen: true };
      if (closers.length === 0) objects.push(text.slice(start, at + 1));
    }
  }
  return { objects, isOpen: closers.length > 0 };
}
