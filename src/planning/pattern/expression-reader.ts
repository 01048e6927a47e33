import { binary, chain, number, type Expression, type Sign } from './expression';
import { readNumber, seesNumber } from './numbers';
import { readManyResults, readOneResult, seesResult } from './results';
import type { Reader } from './reader';

/** Deepest nesting of brackets and "the … of". Bounds the recursion. */
const MAX_NESTING = 30;

/** Most numbers and signs of one calculation. Bounds what is written recursively, and stays below the calculator's limit. */
const MAX_PARTS = 300;

const FUNCTIONS = ['sqrt', 'abs', 'round', 'floor', 'ceil', 'min', 'max'] as const;
const POWER = ['to the power of', 'raised to the power of'] as const;
const LIST_NOUNS: Readonly<Record<string, '+' | '*' | 'max' | 'min'>> = {
  sum: '+',
  total: '+',
  product: '*',
  maximum: 'max',
  largest: 'max',
  larger: 'max',
  greatest: 'max',
  greater: 'max',
  highest: 'max',
  bigger: 'max',
  biggest: 'max',
  minimum: 'min',
  smallest: 'min',
  smaller: 'min',
  lowest: 'min',
};
const PAIR_NOUNS: Readonly<Record<string, Sign>> = { difference: '-', quotient: '/' };
/** Words before one operand, and what becomes of it. */
const PREFIXES: readonly (readonly [phrase: string, sign: Sign, operand: string])[] = [
  ['half of', '/', '2'],
  ['half', '/', '2'],
  ['a third of', '/', '3'],
  ['one third of', '/', '3'],
  ['a quarter of', '/', '4'],
  ['one quarter of', '/', '4'],
  ['double', '*', '2'],
  ['twice', '*', '2'],
  ['triple', '*', '3'],
  ['the square of', '^', '2'],
  ['square of', '^', '2'],
  ['the cube of', '^', '3'],
];
const ROOTS = ['the square root of', 'square root of'] as const;
const CHANGES: readonly (readonly [phrase: string, sign: '+' | '-'])[] = [
  ['increased by', '+'],
  ['decreased by', '-'],
  ['reduced by', '-'],
];

/** Reads calculations. One reader serves one calculation: it counts its parts. */
export class ExpressionReader {
  private depth = 0;
  /** "the sum of …" that are being read. */
  private lists = 0;
  private parts = 0;

  constructor(private readonly reader: Reader) {}

  /** A whole calculation; after a comma it goes on with what has come so far: "3 + 4, times 2". */
  whole(): Expression {
    let result = this.sum();
    if (this.reader.seesOne(CHANGES.map(([phrase]) => phrase))) {
      if (result.kind === 'binary') this.refuseSign();
      result = this.changed(result, this.acceptChange() as '+' | '-');
      this.refuseSign();
    }
    for (;;) {
      const next = this.reader.attempt(() => this.continued(result));
      if (next === null) return result;
      result = next;
    }
  }

  /** Sums of products of powers, in the usual order. */
  sum(): Expression {
    let left = this.product();
    for (;;) {
      const sign = this.acceptSigns([['+', 'plus'] as const, ['-', 'minus'] as const]);
      if (sign === null) return left;
      left = this.part(binary(sign, left, this.product()));
    }
  }

  /** A number, a bracket, a result or "the … of …". */
  operand(): Expression {
    const { reader } = this;
    this.part(null);
    return this.nested(() => {
      if (reader.acceptSign('(')) return this.closed();
      const name = FUNCTIONS.find((known) => reader.sees(known) && reader.peek(1).text === '(');
      if (name !== undefined) return this.call(name);
      if (reader.acceptSign('-') || reader.accept('minus') || reader.accept('negative')) {
        return { kind: 'negative', of: this.operand() };
      }
      return this.ofPhrase() ?? this.amount() ?? reader.refuse('a number or a calculation is missing');
    });
  }

  /** One operand with nothing after it that could belong to it. */
  single(): Expression {
    return this.alone(this.operand());
  }

  /** Operands with commas and "and" between them, and nothing after them that could belong to the last. */
  singles(): Expression[] {
    const operands = this.list();
    this.refuseSign();
    return operands;
  }

  /** An amount to change something by: "5" or "5 percent". */
  changed(base: Expression, sign: '+' | '-'): Expression {
    const by = this.operand();
    if (!this.acceptPercent()) return binary(sign, base, by);
    const hundred = number('100');
    return binary('/', binary('*', base, binary(sign, hundred, by)), hundred);
  }

  private product(): Expression {
    let left = this.signed();
    for (;;) {
      const sign = this.acceptSigns([
        ['*', 'times'] as const,
        ['*', 'multiplied by'] as const,
        ['*', 'x'] as const,
        ['/', 'divided by'] as const,
        ['%', 'modulo'] as const,
        ['%', 'mod'] as const,
      ]);
      if (sign === null) return left;
      if (sign === '%' && !this.seesPlainOperand()) this.reader.refuse('it does not say percent of what');
      left = this.part(binary(sign, left, this.signed()));
    }
  }

  private signed(): Expression {
    const { reader } = this;
    if (!reader.acceptSign('-') && !reader.accept('minus') && !reader.accept('negative')) return this.power();
    this.part(null);
    return this.nested(() => ({ kind: 'negative', of: this.signed() }));
  }

  private power(): Expression {
    const { reader } = this;
    const base = this.operand();
    if (reader.accept('squared')) return binary('^', base, number('2'));
    if (reader.accept('cubed')) return binary('^', base, number('3'));
    if (!reader.acceptSign('^') && reader.acceptOne(POWER) === null) return base;
    return this.nested(() => binary('^', base, this.part(this.signed())));
  }

  private continued(soFar: Expression): Expression | null {
    const { reader } = this;
    if (!reader.acceptMark(',')) return null;
    reader.accept('and');
    if (reader.accept('squared')) return binary('^', soFar, number('2'));
    if (reader.accept('cubed')) return binary('^', soFar, number('3'));
    const change = this.acceptChange();
    if (change) return this.changed(soFar, change);
    const signs = [
      ['*', 'multiplied by'],
      ['*', 'times'],
      ['/', 'divided by'],
      ['+', 'plus'],
      ['-', 'minus'],
      ['^', 'raised to the power of'],
      ['^', 'to the power of'],
    ] as const;
    const sign = signs.find(([, phrase]) => reader.accept(phrase));
    return sign ? this.part(binary(sign[0], soFar, this.signed())) : null;
  }

  private ofPhrase(): Expression | null {
    const { reader } = this;
    const prefix = PREFIXES.find(([phrase]) => reader.accept(phrase));
    if (prefix) return this.alone(binary(prefix[1], this.operand(), number(prefix[2])));
    if (reader.acceptOne(ROOTS)) return this.alone({ kind: 'call', name: 'sqrt', args: [this.operand()] });
    const theirs = reader.attempt((): Expression | null => {
      if (!reader.sees('their')) return null;
      const by = LIST_NOUNS[reader.peek(1).text];
      const at = reader.take().start;
      return by && reader.take() ? { kind: 'joined', by, of: { count: null, at } } : null;
    });
    return theirs ?? reader.attempt(() => this.listPhrase());
  }

  /** "the sum of 3, 4 and 5", "the difference between 9 and 4", "the product of both results". */
  private listPhrase(): Expression | null {
    const { reader } = this;
    reader.accept('the');
    const { kind, text: noun, start } = reader.take();
    if (kind !== 'word' || !(reader.accept('of') || reader.accept('between'))) return null;
    const isPair = Object.hasOwn(PAIR_NOUNS, noun);
    const by = isPair ? PAIR_NOUNS[noun] : Object.hasOwn(LIST_NOUNS, noun) ? LIST_NOUNS[noun] : undefined;
    if (by === undefined) return null;
    const many = readManyResults(reader);
    if (many) return this.alone({ kind: 'joined', by, of: isPair ? { ...many, count: 2 } : many });
    this.lists += 1;
    const operands = this.list(isPair);
    this.lists -= 1;
    // "the sum of 1 and the product of 2 and 3 and 4": the 4 could belong to either.
    const isNested = this.lists > 0 || operands.some(isCompound);
    if (isNested && operands.length > 2)
      reader.refuse('the list can be read in two ways; use brackets', start);
    if (operands.length < 2) reader.refuse(`"${noun} of" needs at least two numbers`, start);
    if (isPair && operands.length > 2) reader.refuse(`"${noun} of" takes two numbers`, start);
    if (by === 'max' || by === 'min') return this.alone({ kind: 'call', name: by, args: operands });
    return this.alone(chain(by, operands));
  }

  /** Operands with commas and "and" between them. */
  list(isPair = false): Expression[] {
    const operands = [this.operand()];
    for (;;) {
      const next = this.reader.attempt(() => {
        const hasComma = this.reader.acceptMark(',');
        const isJoined = this.reader.accept('and') || this.reader.accept('or');
        return (hasComma || isJoined) && this.seesOperand() ? this.operand() : null;
      });
      if (next === null) return operands;
      operands.push(next);
      if (isPair && operands.length === 2) return operands;
    }
  }

  private amount(): Expression | null {
    const { reader } = this;
    const result = readOneResult(reader);
    if (result) return { kind: 'result', of: result };
    const text = readNumber(reader);
    if (text === null) return null;
    const start = reader.at;
    if (!this.acceptPercent()) return number(text);
    if (reader.accept('of')) {
      return this.alone(binary('/', binary('*', number(text), this.operand()), number('100')));
    }
    // Without "of" the sign is the remainder of a division, or the percent of a change; neither is read here.
    reader.at = start;
    return number(text);
  }

  private acceptChange(): '+' | '-' | null {
    return CHANGES.find(([phrase]) => this.reader.accept(phrase))?.[1] ?? null;
  }

  private acceptPercent(): boolean {
    const { reader } = this;
    return reader.acceptSign('%') || reader.accept('percent') || reader.accept('per cent');
  }

  private call(name: string): Expression {
    const { reader } = this;
    reader.at += 2;
    const args = [this.sum()];
    while (reader.acceptMark(',')) args.push(this.sum());
    if (!reader.acceptSign(')')) reader.refuse('a bracket is not closed');
    return { kind: 'call', name, args };
  }

  private closed(): Expression {
    const of = this.sum();
    if (!this.reader.acceptSign(')')) this.reader.refuse('a bracket is not closed');
    return { kind: 'group', of };
  }

  /** After "the … of …" a sign could belong to the last operand or to the whole. */
  private alone(expression: Expression): Expression {
    this.refuseSign();
    return expression;
  }

  private refuseSign(): void {
    const { reader } = this;
    const { kind, text } = reader.peek();
    const words = [
      'plus',
      'minus',
      'times',
      'multiplied by',
      'divided by',
      'squared',
      'cubed',
      'mod',
      'modulo',
      'x',
    ];
    const isSign = kind === 'sign' && '+-*/^%'.includes(text);
    if (isSign || reader.seesOne([...words, ...POWER, ...CHANGES.map(([phrase]) => phrase)])) {
      reader.refuse('it can be read in two ways; use brackets, or a comma before it');
    }
  }

  private acceptSigns(signs: readonly (readonly [Sign, string])[]): Sign | null {
    for (const [sign, phrase] of signs) {
      if (this.reader.acceptSign(sign) || this.reader.accept(phrase)) return sign;
    }
    return null;
  }

  private seesPlainOperand(): boolean {
    const { kind, text } = this.reader.peek();
    return text === '(' || kind === 'number' || (kind === 'word' && seesNumber(this.reader));
  }

  /** Whether an operand comes next, without reading it. */
  seesOperand(): boolean {
    return seesOperand(this.reader);
  }

  private part<T extends Expression | null>(expression: T): T {
    this.parts += 1;
    if (this.parts > MAX_PARTS) this.reader.refuse(`a calculation has more than ${MAX_PARTS} parts`);
    return expression;
  }

  private nested<T>(read: () => T): T {
    this.depth += 1;
    if (this.depth > MAX_NESTING) this.reader.refuse(`it is nested deeper than ${MAX_NESTING} levels`);
    const result = read();
    this.depth -= 1;
    return result;
  }
}

function isCompound({ kind }: Expression): boolean {
  return kind === 'binary' || kind === 'call' || kind === 'joined';
}

/** Whether a calculation begins here. */
export function seesOperand(reader: Reader): boolean {
  const { kind, text } = reader.peek();
  if (kind === 'number' || (kind === 'sign' && (text === '(' || text === '-'))) return true;
  if (kind !== 'word') return false;
  if (FUNCTIONS.some((name) => name === text) && reader.peek(1).text === '(') return true;
  if ((text === 'minus' || text === 'negative') && reader.peek(1).kind !== 'end') return true;
  if (reader.seesOne(PREFIXES.map(([phrase]) => phrase)) || reader.seesOne(ROOTS)) return true;
  if (seesNumber(reader) || seesResult(reader)) return true;
  const noun = text === 'the' || text === 'their' ? reader.peek(1).text : text;
  const isNoun = Object.hasOwn(LIST_NOUNS, noun) || Object.hasOwn(PAIR_NOUNS, noun);
  const after = reader.peek(text === noun ? 1 : 2).text;
  return isNoun && (text === 'their' || after === 'of' || after === 'between');
}
