import { isFailureCode, type Failure } from '../contracts/failure';
import { storableText } from '../db/storable';

/** Characters of a tool's message that are kept. */
const MAX_MESSAGE = 2_000;

/**
 * The failure that a tool means by what it threw, which may be anything. It names its failure by a code of the table (`Refusal`,
 * of which a pack may bring a copy of its own, so the class is not asked); whatever else it throws is a `tool_error`.
 */
export function failureOf(thrown: unknown): Failure {
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return { code: isFailureCode(code) ? code : 'tool_error', message: messageOf(thrown) };
}

function messageOf(thrown: unknown): string {
  try {
    return storableText(String(thrown instanceof Error ? thrown.message : thrown).slice(0, MAX_MESSAGE));
  } catch {
    return 'The tool threw what cannot be read.'; // an object without a text, or one that throws when it is asked
  }
}
