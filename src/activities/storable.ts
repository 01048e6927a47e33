import { Refusal } from '../contracts/refusal';

/**
 * An output as it will be stored: JSON, in bounds, of text that Postgres takes.
 * @throws Refusal `invalid_output`, `output_too_large`.
 */
export function storable(output: unknown, max_bytes: number): unknown {
  let json: string | undefined;
  try {
    json = JSON.stringify(output);
  } catch (error) {
    throw new Refusal('invalid_output', `The tool returned what is no JSON: ${(error as Error).message}`);
  }
  if (json === undefined) throw new Refusal('invalid_output', 'The tool returned nothing.');
  if (Buffer.byteLength(json) > max_bytes) {
    throw new Refusal('output_too_large', `The tool returned more than ${max_bytes} bytes.`);
  }
  // JSON.stringify writes NUL and lone surrogates as escapes, which Postgres refuses. A doubled backslash is text.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i.test(json)) {
    throw new Refusal('invalid_output', 'The tool returned text with a NUL character or a lone surrogate.');
  }
  return JSON.parse(json);
}
