import type { FailureCode } from './failure';

/** One wrong part of a request: a JSON pointer, a code, a sentence. */
export interface RefusedPart {
  pointer: string;
  code: string;
  detail: string;
}

/** Thrown inside a process when something is refused by name; the API turns it into a problem document, activities into a failure. */
export class Refusal extends Error {
  constructor(
    readonly code: FailureCode,
    detail: string,
    readonly parts: RefusedPart[] = [],
    /** Members that go into the problem document as they are, such as `first_available_seq`. */
    readonly more: Record<string, unknown> = {},
  ) {
    super(detail);
    this.name = 'Refusal';
  }
}
