import type { Action } from './clause';
import { binary, chain, isCalculation, number, type Expression } from './expression';
import { ExpressionReader, seesOperand } from './expression-reader';
import type { Reader } from './reader';
import { readManyResults } from './results';

const CALCULATE = [
  'calculate',
  'compute',
  'work out',
  'evaluate',
  'figure out',
  'determine',
  'find out',
  'find',
  'solve',
  'what is',
  "what's",
  'what are',
  'how much is',
  'tell me',
  'give me',
] as const;
const WHICH = [
  ['which is larger', 'max'],
  ['which is bigger', 'max'],
  ['which is greater', 'max'],
  ['which is smaller', 'min'],
] as const;
const POWERS = [
  ['halve', '/', '2'],
  ['square', '^', '2'],
  ['cube', '^', '3'],
] as const;

/** "calculate 6 * 7 and 3 + 4", "multiply it by 3", "start with 5, add 3 and double it"; null where none comes next. */
export function readCalculation(reader: Reader): Action | null {
  const single = reader.attempt(() => startingWith(reader)) ?? reader.attempt(() => instruction(reader));
  if (single) return { kind: 'calculate', expressions: [single] };
  return reader.attempt(() => listed(reader));
}

function listed(reader: Reader): Action | null {
  const which = WHICH.find(([phrase]) => reader.accept(phrase));
  if (which) {
    if (!reader.acceptMark(',')) reader.acceptMark(':');
    const args = new ExpressionReader(reader).list();
    if (args.length < 2) reader.refuse('it needs two numbers to compare');
    return { kind: 'calculate', expressions: [{ kind: 'call', name: which[1], args }] };
  }
  const isAsked = reader.acceptOne(CALCULATE) !== null;
  if (isAsked) reader.acceptMark(':');
  if (isAsked && !reader.accept('the result of')) reader.accept('the value of');
  if (!seesOperand(reader)) return null;
  const expressions = [calculation(reader)];
  for (;;) {
    const next = reader.attempt(() => {
      const hasComma = reader.acceptMark(',');
      const isJoined = reader.accept('and') || reader.accept('as well as');
      if (!hasComma && !isJoined) return null;
      reader.accept('also');
      return seesOperand(reader) ? calculation(reader) : null;
    });
    if (next === null) return { kind: 'calculate', expressions };
    expressions.push(next);
  }
}

function calculation(reader: Reader): Expression {
  const { start } = reader.peek();
  const expression = new ExpressionReader(reader).whole();
  reader.acceptSign('=');
  if (!isCalculation(expression)) reader.refuse('there is nothing to calculate with this', start);
  return expression;
}

/** "add 5 to the result", "divide 12 by 4", "multiply by 3" (of what came before). */
function instruction(reader: Reader): Expression | null {
  const implied: Expression = { kind: 'result', of: { which: 'implied', at: reader.peek().start } };
  const operand = (): Expression => new ExpressionReader(reader).single();
  if (reader.accept('add')) return added(reader, operand, implied);
  if (reader.acceptOne(['subtract', 'deduct'])) {
    const what = operand();
    return binary('-', reader.accept('from') ? operand() : implied, what);
  }
  if (reader.accept('multiply')) return multiplied(reader, operand, implied);
  if (reader.accept('divide')) {
    if (reader.accept('by')) return binary('/', implied, operand());
    const what = operand();
    return reader.accept('by') ? binary('/', what, operand()) : null;
  }
  for (const [verbs, sign] of [
    [['increase', 'raise'], '+'] as const,
    [['decrease', 'reduce', 'lower'], '-'] as const,
  ]) {
    if (reader.acceptOne(verbs) === null) continue;
    const what = new ExpressionReader(reader).operand();
    if (reader.accept('to the power of')) return sign === '+' ? binary('^', what, operand()) : null;
    return reader.accept('by') ? new ExpressionReader(reader).changed(what, sign) : null;
  }
  const power = POWERS.find(([verb]) => reader.accept(verb));
  if (power) return seesOperand(reader) ? binary(power[1], operand(), number(power[2])) : null;
  if (!reader.accept('take')) return null;
  if (reader.sees('the square root of') || reader.sees('half of')) return operand();
  if (!seesOperand(reader)) return null;
  const what = operand();
  reader.accept('away');
  return reader.accept('from') ? binary('-', operand(), what) : null;
}

function added(reader: Reader, operand: () => Expression, implied: Expression): Expression | null {
  const many = readManyResults(reader);
  if (many) {
    if (reader.acceptOne(['together', 'up'])) return { kind: 'joined', by: '+', of: many };
    return reader.refuse('it is not clear whether to add them up or to add them as todos', many.at);
  }
  if (!seesOperand(reader)) return null;
  const { start } = reader.peek();
  const operands = new ExpressionReader(reader).singles();
  const [first] = operands;
  if (operands.length === 1 && first && reader.accept('to')) return binary('+', operand(), first);
  reader.acceptOne(['together', 'up']);
  if (operands.length > 1) return chain('+', operands);
  // "add the result" without a place could be a todo.
  if (first?.kind !== 'number') reader.refuse('it does not say what to add it to', start);
  return binary('+', implied, first as Expression);
}

function multiplied(reader: Reader, operand: () => Expression, implied: Expression): Expression | null {
  if (reader.accept('by')) return binary('*', implied, operand());
  const many = readManyResults(reader);
  if (many) {
    if (reader.accept('by')) return reader.refuse('it is not clear which result to multiply', many.at);
    reader.accept('together');
    return { kind: 'joined', by: '*', of: many };
  }
  const operands = new ExpressionReader(reader).singles();
  const [first] = operands;
  if (operands.length > 1) return chain('*', operands);
  return first && reader.accept('by') ? binary('*', first, operand()) : null;
}

/** "start with 5, add 3 and then multiply by 2" as one calculation: nothing is rounded on the way. */
function startingWith(reader: Reader): Expression | null {
  if (!reader.acceptOne(['start with', 'begin with', 'take'])) return null;
  if (!seesOperand(reader)) return null;
  const first = new ExpressionReader(reader).single();
  let result = first;
  for (;;) {
    const next = reader.attempt(() => {
      const hasComma = reader.acceptMark(',');
      const isJoined = reader.accept('and');
      const isThen = reader.accept('then');
      return hasComma || isJoined || isThen ? change(reader, result) : null;
    });
    if (next === null) return result === first ? null : result;
    result = next;
  }
}

/** One change to the number in hand. What names both its operands is an instruction of its own. */
function change(reader: Reader, base: Expression): Expression | null {
  const operand = (): Expression => new ExpressionReader(reader).single();
  const sign = (['add', 'subtract'] as const).find((verb) => reader.accept(verb));
  if (sign) {
    if (!seesOperand(reader)) return null;
    const by = operand();
    if (by.kind !== 'number' && by.kind !== 'group') return null;
    const isWhole = !reader.seesOne(['to', 'from', 'as']) && !seesListEnd(reader);
    const isToIt = reader.accept(sign === 'add' ? 'to it' : 'from it');
    return isWhole || isToIt ? binary(sign === 'add' ? '+' : '-', base, by) : null;
  }
  if (reader.accept('multiply by') || reader.accept('multiply it by')) return binary('*', base, operand());
  if (reader.accept('divide by') || reader.accept('divide it by')) return binary('/', base, operand());
  if (reader.accept('double it')) return binary('*', base, number('2'));
  if (reader.accept('triple it')) return binary('*', base, number('3'));
  const power = POWERS.find(([verb]) => reader.accept(`${verb} it`));
  return power ? binary(power[1], base, number(power[2])) : null;
}

/** "add 3 and 4": two operands of their own, no change to what is in hand. */
function seesListEnd(reader: Reader): boolean {
  const start = reader.at;
  const isList = reader.accept('and') && seesOperand(reader) && !reader.seesOne(['double it', 'triple it']);
  reader.at = start;
  return isList;
}
