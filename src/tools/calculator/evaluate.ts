import { Refusal } from '../../contracts/refusal';
import { callFunction, isFunction, FUNCTION_NAMES } from './functions';
import { doublePower, E, exactRoot, inexactPower, inexactRoot, PI } from './inexact';
import { value, type Value } from './value';
import type { BinarySign, Node } from './parser';
import {
  add,
  divide,
  fraction,
  fromDecimal,
  modulo,
  multiply,
  negate,
  power,
  type Rational,
} from './rational';
import { notUnderstood } from './tokens';

/** 170! is the largest factorial that a double can hold; above it nobody asks for all digits. */
const MAX_FACTORIAL = 170n;

/**
 * Calculates a parsed expression.
 * @throws Refusal `invalid_expression`, `division_by_zero`, `result_too_large`.
 */
export function evaluate(node: Node): Value {
  switch (node.kind) {
    case 'number':
      return value(fromDecimal(node.text), true);
    case 'constant':
      return constant(node.name, node.at);
    case 'call':
      if (!isFunction(node.name)) throw unknownName(node.name, node.at);
      return callFunction(node.name, node.args.map(evaluate), node.at);
    case 'negative': {
      const of = evaluate(node.of);
      return value(negate(of.rational), of.exact);
    }
    case 'factorial':
      return factorial(evaluate(node.of), node.at);
    case 'binary':
      return binary(node.sign, evaluate(node.left), evaluate(node.right), node.at);
  }
}

function constant(name: string, at: number): Value {
  if (name === 'pi') return value(PI, false);
  if (name === 'e') return value(E, false);
  if (isFunction(name)) throw notUnderstood(name, at, `Its argument belongs in brackets: ${name}(2).`);
  throw unknownName(name, at);
}

function unknownName(name: string, at: number): Refusal {
  return notUnderstood(name, at, `Known are pi, e, ${FUNCTION_NAMES.join(', ')}.`);
}

function binary(sign: BinarySign, left: Value, right: Value, at: number): Value {
  if (sign === '^') return raise(left, right, at);
  const exact = left.exact && right.exact;
  const [a, b] = [left.rational, right.rational];
  switch (sign) {
    case '+':
      return value(add(a, b), exact);
    case '-':
      return value(add(a, negate(b)), exact);
    case '*':
      return value(multiply(a, b), exact);
    case '/':
      return value(divide(a, b), exact);
    case '%':
      return value(modulo(a, b), exact);
  }
}

/**
 * Powers. Whole exponents are exact. Of the others, halves are roots: exact where they can be, else to 34 digits; the rest
 * goes through doubles, and says so with `exact: false`.
 */
function raise(base: Value, exponent: Value, at: number): Value {
  const { num, den } = exponent.rational;
  if (den === 1n && base.exact) return value(power(base.rational, num), exponent.exact);
  if (den === 1n) return value(inexactPower(base.rational, num), false);
  if (base.rational.num < 0n) {
    throw new Refusal(
      'invalid_expression',
      `At position ${at} a negative number is raised to a fraction: that has no real result.`,
    );
  }
  if (base.rational.num === 0n) return value(zeroToThe(num), base.exact && exponent.exact);
  if (den !== 2n) return value(doublePower(base.rational, exponent.rational), false);
  const root = exactRoot(base.rational);
  if (root !== null && base.exact) return value(power(root, num), exponent.exact);
  return value(inexactPower(inexactRoot(base.rational), num), false);
}

function zeroToThe(sign: bigint): Rational {
  return sign > 0n ? fraction(0n) : fraction(1n, 0n);
}

function factorial(of: Value, at: number): Value {
  const { num, den } = of.rational;
  if (den !== 1n || num < 0n) {
    throw new Refusal('invalid_expression', `At position ${at}: only whole numbers from 0 have a factorial.`);
  }
  if (num > MAX_FACTORIAL) {
    throw new Refusal('result_too_large', `At position ${at}: factorials go up to ${MAX_FACTORIAL}!.`);
  }
  let product = 1n;
  for (let factor = 2n; factor <= num; factor += 1n) product *= factor;
  return value(fraction(product), of.exact);
}
