import { isFailureCode, type Failure } from '../contracts/failure';
import { Interrupted } from '../contracts/interrupted';
import { messageOf } from '../db/storable';

// What a tool throws may be anything, also an object that throws when it is asked what it is.

/**
 * The failure that a tool means by what it threw. It names its failure by a code of the table (`Refusal`, of which a pack may bring a copy
 * of its own, so the class is not asked); whatever else it throws is a `tool_error`.
 */
export function failureOf(thrown: unknown): Failure {
  const code = propertyOf(thrown, 'code');
  return { code: isFailureCode(code) ? code : 'tool_error', message: messageOf(thrown) };
}

/** A property of what was thrown; undefined where it has none, or does not let itself be asked. */
export function propertyOf(thrown: unknown, name: string): unknown {
  try {
    return (thrown as Record<string, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/** Whether the try was stopped, which says nothing about the tool. */
export function isInterruption(thrown: unknown): boolean {
  try {
    return thrown instanceof Interrupted;
  } catch {
    return false; // a proxy that does not tell its prototype
  }
}
