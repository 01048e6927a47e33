import { cut } from './cut';
import type { FailureCode } from './failure';

/** Wrong parts that one refusal names. */
export const MAX_PARTS = 50;
/** Characters of a pointer, and of the sentence about it: keys of a request may be as long as its body, and stand in every pointer. */
export const MAX_POINTER_CHARS = 300;
export const MAX_DETAIL_CHARS = 500;

/** One wrong part of a request: a JSON pointer, a code, a sentence. */
export interface RefusedPart {
  pointer: string;
  code: string;
  detail: string;
}

/** Thrown inside a process when something is refused by name; the API turns it into a problem document, activities into a failure. */
export class Refusal extends Error {
  /** The first `MAX_PARTS`, cut. */
  readonly parts: RefusedPart[];

  constructor(
    readonly code: FailureCode,
    detail: string,
    parts: RefusedPart[] = [],
    /** Members that go into the problem document as they are, such as `first_available_seq`. */
    readonly more: Record<string, unknown> = {},
  ) {
    const { length } = parts;
    super(
      length > MAX_PARTS ? `${detail} (at least ${length} parts are wrong; ${MAX_PARTS} are named)` : detail,
    );
    this.parts = parts.slice(0, MAX_PARTS).map((part) => ({
      ...part,
      pointer: cut(part.pointer, MAX_POINTER_CHARS),
      detail: cut(part.detail, MAX_DETAIL_CHARS),
    }));
    this.name = 'Refusal';
  }
}
