import { STEP_ID } from '../contracts/plan';

/** A part of the output of a step: `{step_1}` is the whole of it, `{step_1.path.0.name}` a part. */
export interface Reference {
  step_id: string;
  path: string[];
}

/** A reference and the JSON pointer of the text it stands in. */
export interface PlacedReference extends Reference {
  pointer: string;
}

export type FilledIn =
  | { ok: true; input: Record<string, unknown> }
  /** `missing`: the reference leads nowhere. `too_large`: what it brings no longer fits. */
  | { ok: false; reason: 'missing' | 'too_large'; pointer: string; reference: string };

/** Deepest nesting of inputs. Deeper ones are refused where they come in; here the number only bounds walks. */
export const MAX_DEPTH = 32;

/** What fillIn writes in all, characters: a small input can name a large output thousands of times. */
const MAX_FILLED_CHARS = 8_000_000;

const NAME = `${STEP_ID.source.slice(1, -1)}(?:\\.[A-Za-z0-9_-]+)*`;
/** Group 1: an escaped reference. Group 2: a reference. */
const MARK = new RegExp(`\\{\\{(${NAME})\\}\\}|\\{(${NAME})\\}`, 'g');
const ALONE = new RegExp(`^\\{(${NAME})\\}$`);
const BARE = new RegExp(`^${NAME}$`);
const INDEX = /^(?:0|[1-9]\d{0,9})$/;

/** Reads `step_1.path.0` as conditions write it, without braces; null when it is no reference. */
export function parseReference(text: string): Reference | null {
  return BARE.test(text) ? split(text) : null;
}

/** All references in the texts of a value, in the order they stand. Keys of objects are never references. */
export function referencesOf(value: unknown): PlacedReference[] {
  const found: PlacedReference[] = [];
  walkTexts(value, (text, pointer) => {
    for (const name of namesIn(text)) {
      // Written out by those who ask: a thousand references may stand under a key of a hundred thousand characters.
      found.push({
        ...split(name),
        get pointer() {
          return pointer();
        },
      });
    }
  });
  return found;
}

/** Whether a text is one reference and nothing else; its value then keeps its type. */
export function isReferenceAlone(text: string): boolean {
  return ALONE.test(text);
}

/** Whether a text holds at least one reference. */
export function hasReference(text: string): boolean {
  return namesIn(text).length > 0;
}

/** Whether a value holds a reference anywhere. @param value at most `MAX_DEPTH` levels deep */
export function holdsReference(value: unknown): boolean {
  if (typeof value === 'string') return hasReference(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsReference);
}

/** A text that fillIn turns back into exactly `text`: what looks like a reference gets a second pair of braces. */
export function escapeText(text: string): string {
  return text.replace(new RegExp(`\\{(?:${NAME})\\}`, 'g'), '{$&}');
}

/** The value with every escaped reference written as it is meant; texts that hold references stay as they are. */
export function unescapeLiterals(value: unknown): unknown {
  const result = mapTexts(value, (text) => (hasReference(text) ? text : unescape(text)));
  return result.value;
}

/** The part of the outputs that a reference names. Only own properties and real indexes count, never prototypes. */
export function lookUp(
  outputs: ReadonlyMap<string, unknown>,
  { step_id, path }: Reference,
): { found: true; value: unknown } | { found: false } {
  if (!outputs.has(step_id)) return { found: false };
  let value = outputs.get(step_id);
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return { found: false };
    if (Array.isArray(value)) {
      if (!INDEX.test(segment) || Number(segment) >= value.length) return { found: false };
      value = value[Number(segment)];
    } else {
      if (!Object.hasOwn(value, segment)) return { found: false };
      // Reading an own `__proto__` by name gives its value only where it is an own property, which was just checked.
      value = (value as Record<string, unknown>)[segment];
    }
  }
  return value === undefined ? { found: false } : { found: true, value };
}

/**
 * Writes outputs in place of references. A value that is one reference alone keeps its type; inside text, texts are written as
 * they are and anything else as JSON. What was written is never expanded again. The first reference that fails ends it.
 */
export function fillIn(input: Record<string, unknown>, outputs: ReadonlyMap<string, unknown>): FilledIn {
  const texts = new Map<string, { value: unknown; text: string } | null>();
  let written = 0;
  const read = (name: string): { value: unknown; text: string } => {
    let known = texts.get(name);
    if (known === undefined) {
      const hit = lookUp(outputs, split(name));
      known = hit.found ? { value: hit.value, text: asText(hit.value) } : null;
      texts.set(name, known);
    }
    if (known === null) throw new Unfilled('missing', name);
    written += known.text.length;
    if (written > MAX_FILLED_CHARS) throw new Unfilled('too_large', name);
    return known;
  };
  const result = mapTexts(input, (text) => {
    const alone = ALONE.exec(text);
    if (alone) return read(alone[1] as string).value;
    return text.replace(MARK, (_match, escaped?: string, name?: string) =>
      name === undefined ? `{${escaped}}` : read(name).text,
    );
  });
  if (result.stop) return { ok: false, ...result.stop };
  return { ok: true, input: result.value as Record<string, unknown> };
}

/** Inside this file only: ends mapTexts early. */
class Unfilled extends Error {
  constructor(
    readonly reason: 'missing' | 'too_large',
    readonly reference: string,
  ) {
    super(reason);
  }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function unescape(text: string): string {
  return text.replace(MARK, (_match, escaped?: string) => `{${escaped}}`);
}

function namesIn(text: string): string[] {
  const names: string[] = [];
  if (!text.includes('{')) return names;
  // Not matchAll: it copies the pattern on each call, which is most of the time of a plan check.
  MARK.lastIndex = 0;
  for (let match = MARK.exec(text); match !== null; match = MARK.exec(text)) {
    if (match[2] !== undefined) names.push(match[2]);
  }
  return names;
}

function split(name: string): Reference {
  const [step_id = '', ...path] = name.split('.');
  return { step_id, path };
}

/** Where a walk is; pointers are only written out when somebody asks, so that deep values stay cheap. */
interface Place {
  parent: Place | null;
  key: string;
}

function pointerOf(place: Place | null): string {
  const keys: string[] = [];
  for (let at = place; at !== null; at = at.parent) keys.push(at.key);
  return keys
    .reverse()
    .map((key) => `/${escapeKey(key)}`)
    .join('');
}

/** A key as a JSON pointer writes it (RFC 6901). */
export function escapeKey(key: string): string {
  if (!key.includes('~') && !key.includes('/')) return key;
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function walkTexts(value: unknown, visit: (text: string, pointer: () => string) => void): void {
  const open: { value: unknown; place: Place | null }[] = [{ value, place: null }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: current, place } = next;
    if (typeof current === 'string') visit(current, () => pointerOf(place));
    else if (typeof current === 'object' && current !== null) {
      const parts = current as Record<string, unknown>;
      const keys = Object.keys(parts);
      // From the last one, so that the stack gives them back in the order they stand. Numbers hold no text: there may be half a million.
      for (let at = keys.length - 1; at >= 0; at -= 1) {
        const key = keys[at]!;
        const child = parts[key];
        if (typeof child === 'string' || typeof child === 'object')
          open.push({ value: child, place: { parent: place, key } });
      }
    }
  }
}

type Mapped = {
  value: unknown;
  stop?: { reason: 'missing' | 'too_large'; pointer: string; reference: string };
};

/** A copy with every text changed. Iterative: depth costs no stack. */
function mapTexts(value: unknown, change: (text: string) => unknown): Mapped {
  const root: Record<string, unknown> = {};
  const open: { value: unknown; place: Place | null; target: object; key: string }[] = [
    { value, place: null, target: root, key: 'value' },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: current, place, target, key } = next;
    if (typeof current === 'object' && current !== null) {
      const copy: object = Array.isArray(current) ? [] : {};
      setOwn(target, key, copy);
      const entries = Object.entries(current);
      // The place of each key is taken now, so that the copy has its keys in the same order.
      for (const [name] of entries) setOwn(copy, name, null);
      for (const [name, child] of entries.reverse()) {
        open.push({ value: child, place: { parent: place, key: name }, target: copy, key: name });
      }
      continue;
    }
    try {
      setOwn(target, key, typeof current === 'string' ? change(current) : current);
    } catch (error) {
      if (!(error instanceof Unfilled)) throw error;
      const { reason, reference } = error;
      return { value: null, stop: { reason, pointer: pointerOf(place), reference } };
    }
  }
  return { value: root['value'] };
}

/** Sets an own property whatever its name: plain assignment of `__proto__` would change the prototype. */
function setOwn(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}
