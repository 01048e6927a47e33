import type { ManyResults, OneResult } from './results';

export type Sign = '+' | '-' | '*' | '/' | '%' | '^';

/** A calculation as the goal states it. `group` is a pair of brackets that stood in the goal: they are kept. */
export type Expression =
  | { kind: 'number'; text: string }
  | { kind: 'result'; of: OneResult }
  /** Several results joined, "the sum of both results". */
  | { kind: 'joined'; by: Sign | 'max' | 'min'; of: ManyResults }
  | { kind: 'group'; of: Expression }
  | { kind: 'negative'; of: Expression }
  | { kind: 'binary'; sign: Sign; left: Expression; right: Expression }
  | { kind: 'call'; name: string; args: Expression[] };

export function number(text: string): Expression {
  return { kind: 'number', text };
}

export function binary(sign: Sign, left: Expression, right: Expression): Expression {
  return { kind: 'binary', sign, left, right };
}

/** Operands joined from the left. */
export function chain(sign: Sign, operands: readonly Expression[]): Expression {
  return operands.reduce((left, right) => binary(sign, left, right));
}

/** Whether there is anything to calculate: a number or a result alone is none. */
export function isCalculation(expression: Expression): boolean {
  if (expression.kind === 'group' || expression.kind === 'negative') return isCalculation(expression.of);
  return expression.kind !== 'number' && expression.kind !== 'result';
}

/** What "the sum", "the product" would call it: its outermost sign. */
export function outermost(expression: Expression): string | null {
  if (expression.kind === 'group') return outermost(expression.of);
  if (expression.kind === 'binary') return expression.sign;
  return expression.kind === 'joined' ? expression.by : null;
}

/** Operand positions where a result needs no brackets: it stands alone there. */
type Position = 'alone' | 'operand';

/** How results are written, in `operand` position so that a negative value stays one operand. */
export interface ResultText {
  one(of: OneResult, position: Position): string;
  many(of: ManyResults, position: Position): string[];
}

const TIGHTNESS: Readonly<Record<Sign, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 4 };
const NEGATIVE = 3;
const ATOM = 5;

/** The expression in the words of the calculator, with no more brackets than it needs or the goal had. */
export function write(expression: Expression, results: ResultText, position: Position = 'alone'): string {
  const inside = (part: Expression, needsBrackets: boolean): string => {
    const text = write(part, results, 'operand');
    return needsBrackets ? `(${text})` : text;
  };
  switch (expression.kind) {
    case 'number':
      return expression.text;
    case 'result':
      return results.one(expression.of, position);
    case 'joined': {
      const { by, of } = expression;
      if (by === 'max' || by === 'min') return `${by}(${results.many(of, 'alone').join(', ')})`;
      return results.many(of, 'operand').join(` ${by} `);
    }
    case 'group':
      return `(${write(expression.of, results, 'operand')})`;
    case 'negative':
      return `-${inside(expression.of, tightness(expression.of) <= NEGATIVE)}`;
    case 'call':
      return `${expression.name}(${expression.args.map((arg) => write(arg, results)).join(', ')})`;
    case 'binary': {
      const { sign, left, right } = expression;
      const own = TIGHTNESS[sign];
      const leftText = inside(left, tightness(left) < own || (sign === '^' && tightness(left) < ATOM));
      // The calculator takes no sign after %, and a second one after another sign is hard to read.
      const isSigned = right.kind === 'negative';
      return `${leftText} ${sign} ${inside(right, tightness(right) <= own || isSigned)}`;
    }
  }
}

function tightness(expression: Expression): number {
  if (expression.kind === 'binary') return TIGHTNESS[expression.sign];
  if (expression.kind === 'negative') return NEGATIVE;
  if (expression.kind !== 'joined' || expression.by === 'max' || expression.by === 'min') return ATOM;
  return TIGHTNESS[expression.by];
}
