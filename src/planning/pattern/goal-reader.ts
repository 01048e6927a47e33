import type { Action, Clause, ComparisonOp, GoalCondition } from './clause';
import { readCalculation } from './calculation-clauses';
import { ExpressionReader } from './expression-reader';
import { readNumber } from './numbers';
import { Reader } from './reader';
import { readAdd, readComplete, readRemove } from './todo-clauses';
import { readListing } from './todo-words';

/** Longest goal, characters. */
const MAX_GOAL = 32_000;

const POLITE = [
  'please',
  'kindly',
  'hi there',
  'hi',
  'hello',
  'hey',
  'could you',
  'can you',
  'would you',
  'will you',
  "i'd like you to",
  'i would like you to',
  'i want you to',
  'i need you to',
  "i'd like to",
  'i would like to',
  'i want to',
] as const;
const POLITE_AFTER = ['please', 'thank you', 'thanks', 'for me'] as const;
const AFTER = [
  'then finally',
  'then',
  'after that',
  'after this',
  'afterwards',
  'finally',
  'lastly',
  'next',
  'in the end',
  'at the end',
] as const;
const SENTENCE_ENDS = '.!?;…\n';
const IF = ['only if', 'if', 'provided that', 'unless'] as const;

/** Comparisons in words; longer ones before those they begin with. */
const COMPARISONS: readonly (readonly [phrase: string, op: ComparisonOp])[] = [
  ['greater than or equal to', 'gte'],
  ['less than or equal to', 'lte'],
  ['smaller than or equal to', 'lte'],
  ['greater than', 'gt'],
  ['larger than', 'gt'],
  ['bigger than', 'gt'],
  ['higher than', 'gt'],
  ['more than', 'gt'],
  ['above', 'gt'],
  ['over', 'gt'],
  ['less than', 'lt'],
  ['smaller than', 'lt'],
  ['lower than', 'lt'],
  ['below', 'lt'],
  ['under', 'lt'],
  ['at least', 'gte'],
  ['at most', 'lte'],
  ['equal to', 'eq'],
  ['exactly', 'eq'],
];
/** What holds exactly when the other does not. */
export const OPPOSITE: Readonly<Record<ComparisonOp, ComparisonOp>> = {
  eq: 'ne',
  ne: 'eq',
  gt: 'lte',
  gte: 'lt',
  lt: 'gte',
  lte: 'gt',
};
const COMPARING_VERBS: readonly (readonly [phrase: string, op: ComparisonOp])[] = [
  ['exceeds', 'gt'],
  ['falls below', 'lt'],
  ['equals', 'eq'],
];
const COMPARING_SIGNS: Readonly<Record<string, ComparisonOp>> = {
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  '=': 'eq',
  '!=': 'ne',
};

/**
 *     goal      = { clause connector } clause
 *     clause    = [ "first" ] [ condition [ "," ] ] action [ condition ] [ "otherwise" action ]
 *     connector = "," | "." | "and" | "then" | …
 *
 * Every word is read by some rule or the goal is refused.
 * @throws NotUnderstood
 */
export function readGoal(goal: string): Clause[] {
  if (goal.length > MAX_GOAL) new Reader('').refuse(`it is longer than ${MAX_GOAL} characters`);
  const reader = new Reader(goal);
  const clauses: Clause[] = [];
  let isAfter = false;
  let isFirstOfSentence = true;
  while (reader.acceptMark('\n'));
  if (reader.isAtEnd) reader.refuse('the goal is empty');
  for (;;) {
    const clause = readClause(reader, { isAfter, isJoined: !isAfter && !isFirstOfSentence });
    clauses.push(clause);
    const connector = readConnector(reader);
    if (clause.condition && !(isFirstOfSentence && (connector === null || connector.isSentence))) {
      reader.refuse(
        'it is not clear how far the condition reaches; give it a sentence of its own',
        clause.at,
      );
    }
    if (connector === null) return clauses;
    ({ isAfter } = connector);
    isFirstOfSentence = connector.isSentence;
  }
}

function readClause(reader: Reader, place: Pick<Clause, 'isAfter' | 'isJoined'>): Clause {
  readPolite(reader);
  const { start: at } = reader.peek();
  const before = readCondition(reader);
  if (before) {
    reader.acceptMark(',');
    reader.accept('then');
    readPolite(reader);
  }
  const action = readAction(reader);
  readPoliteTail(reader);
  const after = before
    ? null
    : reader.attempt(() => {
        reader.acceptMark(',');
        return readCondition(reader);
      });
  const condition = before ?? after;
  return { ...place, action, condition, otherwise: condition && readOtherwise(reader), at };
}

function readAction(reader: Reader): Action {
  const { start } = reader.peek();
  const status = readListing(reader);
  if (status) return { kind: 'list', status };
  const action = readAdd(reader) ?? readComplete(reader) ?? readRemove(reader) ?? readCalculation(reader);
  return action ?? reader.refuse('nothing here can do this', start);
}

function readOtherwise(reader: Reader): Action | null {
  return reader.attempt(() => {
    reader.acceptMark(',;.');
    if (!reader.acceptOne(['otherwise', 'or else', 'else', 'if not'])) return null;
    reader.acceptMark(',');
    readPolite(reader);
    return readAction(reader);
  });
}

function readCondition(reader: Reader): GoalCondition | null {
  const word = reader.acceptOne(IF);
  if (word === null) return null;
  const left = new ExpressionReader(reader).sum();
  const op = readComparison(reader);
  const isNegative = reader.acceptSign('-') || reader.accept('minus');
  const digits = readNumber(reader) ?? reader.refuse('a condition compares with a number');
  return { left, op, right: isNegative ? `-${digits}` : digits, negated: word === 'unless' };
}

function readComparison(reader: Reader): ComparisonOp {
  const { kind, text } = reader.peek();
  const sign = kind === 'sign' && Object.hasOwn(COMPARING_SIGNS, text) ? COMPARING_SIGNS[text] : undefined;
  if (sign && reader.acceptSign(text)) return sign;
  const verb = COMPARING_VERBS.find(([phrase]) => reader.accept(phrase));
  if (verb) return verb[1];
  const isNot = reader.acceptOne(['is not', "isn't"]) !== null;
  if (!isNot && !reader.acceptOne(['is', 'are'])) reader.refuse('a comparison is missing');
  const words = COMPARISONS.find(([phrase]) => reader.accept(phrase));
  const op = words
    ? words[1]
    : reader.peek().kind === 'number'
      ? 'eq'
      : reader.refuse('a comparison is missing');
  return isNot ? OPPOSITE[op] : op;
}

/** What stands between two clauses; null at the end of the goal. */
function readConnector(reader: Reader): { isAfter: boolean; isSentence: boolean } | null {
  readPoliteTail(reader);
  const { start } = reader.peek();
  let isSentence = false;
  let marks = 0;
  for (; reader.peek().kind === 'mark'; marks += 1) {
    if (!reader.acceptMark(`,${SENTENCE_ENDS}`)) reader.refuse('this sign has no meaning here');
    isSentence ||= SENTENCE_ENDS.includes(reader.peek(-1).text);
    readPoliteTail(reader);
  }
  if (reader.isAtEnd) return null;
  const from = reader.at;
  const isAnd = reader.accept('and');
  const isAfter = reader.acceptOne(AFTER) !== null;
  reader.acceptOne(['also', 'as well as', 'as well']);
  if (isAfter) reader.acceptMark(',');
  if (marks === 0 && reader.at === from) reader.refuse('nothing here can do this', start);
  if (reader.isAtEnd) reader.refuse('the goal stops in the middle');
  return { isAfter, isSentence: isSentence && !isAnd };
}

function readPolite(reader: Reader): void {
  while (reader.acceptOne(POLITE) ?? reader.acceptOne(['first of all', 'firstly', 'first']))
    reader.acceptMark(',');
  if (
    reader.sees('tell me') &&
    (reader.peek(2).text === ':' || /^(?:what|which|how)/.test(reader.peek(2).text))
  ) {
    reader.at += 2;
    reader.acceptMark(':');
  }
}

function readPoliteTail(reader: Reader): void {
  while (
    reader.attempt(() => {
      reader.acceptMark(',');
      return reader.acceptOne(POLITE_AFTER);
    }) !== null
  );
}
