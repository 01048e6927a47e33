import { evaluate } from './calculator/evaluate';
import { parse } from './calculator/parser';
import { toResult, type Result } from './calculator/value';
import { Refusal } from '../contracts/refusal';
import type { PureTool } from './tool';

/** Longest expression, characters. With the caps on nesting and digits it bounds the time to some milliseconds. */
const MAX_LENGTH = 1_000;

/**
 * Calculates `+ - * / ^ % !`, brackets and a few functions over exact fractions: 0.1 + 0.2 is 0.3, and 2 / 3 * 60 is 40.
 * @throws Refusal `invalid_expression`, `division_by_zero`, `result_too_large`; nothing else.
 */
export function calculate(expression: string): Result {
  if (expression.length > MAX_LENGTH) {
    throw new Refusal(
      'invalid_expression',
      `The expression has ${expression.length} characters; at most ${MAX_LENGTH} are taken. Split it into several steps.`,
    );
  }
  return toResult(evaluate(parse(expression)));
}

/** The tool `calculator`: one expression in, `{value, exact}` out. */
export const calculator: PureTool = {
  name: 'calculator',
  version: '1.0.0',
  description:
    'Calculates an expression exactly: + - * / ^ (power) % (remainder) n! and brackets; abs, round(x, digits), floor, ceil, ' +
    'min, max, sqrt; pi, e. Gives {value, exact}.',
  effect: 'pure',
  lane: 'instant',
  timeout_s: 1,
  // The same expression gives the same result: a second try is for a worker that died, not for the tool.
  max_attempts: 3,
  input_schema: {
    type: 'object',
    properties: {
      expression: {
        // A reference to an earlier result stands alone as a number.
        type: ['string', 'number'],
        minLength: 1,
        maxLength: MAX_LENGTH,
        description: 'For example `12 * 7` or `round(100 / 3, 2)`.',
      },
    },
    required: ['expression'],
    additionalProperties: false,
  },
  call: async (input) => calculate(String((input as { expression: string | number }).expression)),
};
