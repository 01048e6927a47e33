import { isUtf8 } from 'node:buffer';
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import type { ZodType, core, output } from 'zod';
import { lostNumber } from '../contracts/lost-digits';
import { cut } from '../contracts/cut';
import { MAX_PARTS, MAX_POINTER_CHARS, Refusal, type RefusedPart } from '../contracts/refusal';
import { hasBody } from './linger';

/** Objects and arrays within one another, at most. */
const MAX_DEPTH = 32;
type Issue = core.$ZodIssue;
/** Wrong parts that are looked for: one more than are named says that there are more. */
const ENOUGH = MAX_PARTS + 1;

/** Reads JSON bodies: right type, right size, UTF-8 and not too deep before they are parsed. */
export function readBody(limit: number): (RequestHandler | ErrorRequestHandler)[] {
  const refuseOtherTypes: RequestHandler = (req, res, next) => {
    if (hasBody(req) && !req.is('application/json')) {
      throw new Refusal('unsupported_media_type', 'The body is not declared as application/json.');
    }
    // The client waits for this before it sends, and has waited until everything else was looked at.
    if (req.headers.expect !== undefined) res.writeContinue();
    next();
  };
  const json = express.json({
    limit,
    verify: (_req, _res, bytes) => {
      if (!isUtf8(bytes)) throw wrapped(new Refusal('invalid_json', 'The body is not UTF-8.'));
      if (isTooDeep(bytes))
        throw wrapped(new Refusal('too_deep', `The body is nested more than ${MAX_DEPTH} levels deep.`));
      const lost = lostNumber(bytes);
      if (lost !== null) {
        const detail = `The number ${lost} has more digits than a number keeps; send it as a text.`;
        throw wrapped(
          new Refusal('invalid_request', detail, [{ pointer: '', code: 'invalid_value', detail }]),
        );
      }
    },
  });
  return [refuseOtherTypes, refuseLarge(limit, json), unwrap];
}

/** The parser itself answers a body that is too large only when it has read all of it. */
function refuseLarge(limit: number, parser: RequestHandler): RequestHandler {
  return (req, res, next) => {
    let answered = false;
    const once = (error?: unknown) => {
      if (!answered) next(error);
      answered = true;
    };
    let came = 0;
    const count = (bytes: number) => {
      came += bytes;
      if (came > limit) once(new Refusal('body_too_large', 'The body is larger than this service takes.'));
    };
    const declared = req.headers['content-length'];
    if (declared !== undefined) count(Number(declared));
    else req.on('data', (part: Buffer) => count(part.length));
    if (!answered) void parser(req, res, once);
  };
}

/** Where no body is read, none is passed over in silence. */
export const refuseBody: RequestHandler = (req, _res, next) => {
  if (hasBody(req)) throw new Refusal('invalid_request', 'This address takes no body.');
  next();
};

/**
 * The body, or the query, in the shape of `schema`.
 * @param root start of the pointers: '' for a body, '/query' for a query
 * @throws Refusal `invalid_request` that points at every wrong part.
 */
export function parse<S extends ZodType>(schema: S, value: unknown, root = ''): output<S> {
  const hostile = hostileParts(value, root);
  if (hostile.length > 0) throw invalid(hostile);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const parts: RefusedPart[] = [];
  tell(parsed.error.issues, root, parts);
  throw invalid(parts);
}

/** What is wrong, in words of ours: zod's are about schemas. Stops when `parts` is full. */
function tell(issues: Issue[], above: string, parts: RefusedPart[]): void {
  for (const issue of issues) {
    if (parts.length >= ENOUGH) return;
    const pointer = above + pointerOf(issue.path);
    const likely = issue.code === 'invalid_union' ? likeliest(issue.errors) : undefined;
    if (likely !== undefined) tell(likely, pointer, parts);
    else if (issue.code === 'unrecognized_keys') {
      const detail = 'is not a field of this request';
      for (const key of issue.keys.slice(0, ENOUGH))
        parts.push({ pointer: pointer + pointerOf([key]), code: 'unknown_field', detail });
    } else parts.push({ pointer, ...faultOf(issue) });
  }
}

type Fault = Omit<RefusedPart, 'pointer'>;

function faultOf(issue: Issue): Fault {
  if (issue.code === 'invalid_union')
    return { code: 'invalid_value', detail: 'has none of the forms that are taken here' };
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return { code: 'missing', detail: 'is missing' };
  const code = issue.code === 'custom' ? (issue.params?.['code'] ?? 'invalid_value') : issue.code;
  return { code, detail: issue.message.replace(/^Invalid input: /, '') };
}

/** Of the forms a part may have the one that was probably meant: the one with the fewest strange fields, then the fewest faults. */
function likeliest(forms: Issue[][]): Issue[] | undefined {
  const strange = (form: Issue[]) => form.filter(({ code }) => code === 'unrecognized_keys').length;
  // A form that fails as a whole, as text where an object is meant, says nothing about the others.
  return forms
    .filter((form) => form.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'))
    .sort((a, b) => strange(a) - strange(b) || a.length - b.length)[0];
}

function invalid(parts: RefusedPart[]): Refusal {
  const [first] = parts;
  const where =
    first === undefined || first.pointer === '' ? 'The request' : cut(first.pointer, MAX_POINTER_CHARS);
  return new Refusal('invalid_request', `${where}: ${first?.detail}`, parts);
}

function pointerOf(path: PropertyKey[]): string {
  return path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/**
 * Texts and numbers that Postgres and JSON cannot carry, and the one key that could reach a prototype. Pointers are made where something
 * is wrong alone, and no more parts are looked at than are told.
 * @param whole at most 32 levels deep
 */
export function hostileParts(whole: unknown, root: string): RefusedPart[] {
  const parts: RefusedPart[] = [];
  const path: PropertyKey[] = [];
  const wrong = (fault: Fault | null) => {
    if (fault !== null) parts.push({ pointer: root + pointerOf(path), ...fault });
  };
  const lookInto = (key: PropertyKey, value: unknown): void => {
    path.push(key);
    if (key === '__proto__') wrong({ code: 'unknown_field', detail: 'is not a field of this request' });
    if (typeof key === 'string') wrong(faultOfText(key));
    look(value);
    path.pop();
  };
  const look = (value: unknown): void => {
    if (typeof value === 'string') return wrong(faultOfText(value));
    if (typeof value === 'number') return wrong(faultOfNumber(value));
    if (value === null || typeof value !== 'object') return;
    if (Array.isArray(value)) {
      // By index and not by an iterator, which takes twice as long: a list may have half a million items.
      for (let at = 0; at < value.length && parts.length < ENOUGH; at += 1) lookInto(at, value[at]);
      return;
    }
    for (const [key, part] of Object.entries(value)) {
      if (parts.length >= ENOUGH) return;
      lookInto(key, part);
    }
  };
  look(whole);
  return parts;
}

function faultOfNumber(value: number): Fault | null {
  return Number.isFinite(value) ? null : { code: 'invalid_value', detail: 'is beyond what numbers can say' };
}

function faultOfText(text: string): Fault | null {
  if (text.includes('\0')) return { code: 'invalid_text', detail: 'holds a NUL character' };
  if (!text.isWellFormed()) return { code: 'invalid_text', detail: 'holds a lone surrogate' };
  return null;
}

/** Looks at brackets outside of strings only, so it costs one pass and no memory whatever the body is. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === 0x5c) i += 1;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth -= 1;
  }
  return false;
}

/** The body parser makes its own error of what `verify` throws, with the members of ours; the refusal travels in one of them. */
function wrapped(refusal: Refusal): Error {
  return Object.assign(new Error(refusal.message), { refusal });
}

function unwrap(
  error: unknown,
  _req: express.Request,
  _res: express.Response,
  next: express.NextFunction,
): void {
  next((error as { refusal?: Refusal }).refusal ?? error);
}
