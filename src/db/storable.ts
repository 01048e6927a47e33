import { Refusal } from '../contracts/refusal';

/** Characters of a message that are kept. */
const MAX_MESSAGE = 2_000;

/** NUL and lone surrogates, as JSON.stringify writes them: Postgres refuses such JSON. A doubled backslash is text. */
const REFUSED = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

/**
 * An output as it will be stored: JSON, in bounds, of text that Postgres takes.
 * @throws Refusal `invalid_output`, `output_too_large`.
 */
export function storable(output: unknown, max_bytes: number): unknown {
  let json: string | undefined;
  try {
    json = JSON.stringify(output);
  } catch (thrown) {
    throw new Refusal('invalid_output', `The tool returned what is no JSON: ${messageOf(thrown)}`);
  }
  if (json === undefined) throw new Refusal('invalid_output', 'The tool returned nothing.');
  if (Buffer.byteLength(json) > max_bytes) {
    throw new Refusal('output_too_large', `The tool returned more than ${max_bytes} bytes.`);
  }
  if (REFUSED.test(json)) {
    throw new Refusal('invalid_output', 'The tool returned text with a NUL character or a lone surrogate.');
  }
  return JSON.parse(json);
}

/** Whether Postgres takes what a model said. Asked before it is stored: a refused statement would be tried again for ever. */
export function isStorable(value: unknown): boolean {
  return !REFUSED.test(JSON.stringify(value));
}

/** A text for people as Postgres takes it: what it refuses is shown as the replacement character. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd');
}

/** What is said by what was thrown, which may be anything: a text for people as Postgres takes it, never too long. */
export function messageOf(thrown: unknown): string {
  try {
    return storableText(String(thrown instanceof Error ? thrown.message : thrown).slice(0, MAX_MESSAGE));
  } catch {
    return 'The tool threw what cannot be read.'; // an object without a text, or one that throws when it is asked
  }
}
