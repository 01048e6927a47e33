import type { GoalItem } from './goal-items';
import {
  COMPARISONS,
  DONE,
  ELSE,
  FILLERS,
  FUNCTION_WORDS,
  IF,
  LISTING,
  NAMED,
  NEGATIONS,
  NOT,
  ONE,
  OPEN,
  OPERATIONS,
  SEVERAL,
  THEN,
  TODO_NOUNS,
  TODO_VERBS,
} from './words';

type TodoVerb = 'add' | 'complete' | 'remove';

/** What the judge finds in a goal. `at` counts pieces of the goal. */
export interface Wishes {
  numbers: { text: string; at: number }[];
  todos: { verb: TodoVerb; text: string; at: number }[];
  lists: { status: 'open' | 'done' | 'all'; at: number }[];
  /** Results that become todos. */
  resultTodos: { isSeveral: boolean; at: number }[];
  /** Results, or "by 3" without a first operand, that a calculation goes on with. */
  resultUses: number[];
  /** Signs, each with the pieces it stands at, and numbers that words such as "half" bring along. */
  signs: { sign: string; at: number }[];
  functions: string[];
  implied: string[];
  conditions: { op: string; value: string | null; at: number; hasElse: boolean }[];
  /** Where everything before has to have ended. */
  barriers: number[];
  /** Pieces where sentences end. */
  sentenceEnds: number[];
  /** Words and signs that nothing accounts for. */
  unknown: string[];
}

/** Pieces within which a condition has to be said. */
const MAX_CONDITION = 60;

/** Reads what a goal asks for, word by word. */
export function readWishes(items: readonly GoalItem[]): Wishes {
  const wishes: Wishes = {
    numbers: [],
    todos: [],
    lists: [],
    resultTodos: [],
    resultUses: [],
    signs: [],
    functions: [],
    implied: [],
    conditions: [],
    barriers: [],
    sentenceEnds: [],
    unknown: [],
  };
  let verb: TodoVerb | null = null;
  for (const [at, { kind, text }] of items.entries()) {
    if (kind === 'number') {
      // "all three results", "two todos" count; they are no operands.
      if (!/^(?:results|answers|todos|new)$/.test(items[at + 1]?.text ?? ''))
        wishes.numbers.push({ text, at });
    } else if (kind === 'quote') {
      if (verb === null) wishes.unknown.push(`"${text}"`);
      else wishes.todos.push({ verb, text, at });
    } else if (kind === 'mark') {
      if ('.;!?'.includes(text)) wishes.sentenceEnds.push(at);
    } else if (kind === 'sign') readSign(items, at, wishes);
    else verb = readWord(items, at, verb, wishes);
  }
  wishes.resultUses = wishes.resultUses.filter((at) => !isInChain(items, at));
  return wishes;
}

/** "start with 5, add 3, multiply by 2": what changes the number in hand uses no result of another step. */
function isInChain(items: readonly GoalItem[], at: number): boolean {
  for (let before = at - 1; before >= 0 && !'.;!?'.includes(items[before]?.text ?? ''); before -= 1) {
    const [{ text = '' } = {}, next] = items.slice(before, before + 2);
    if (/^(?:start|begin)$/.test(text) || (text === 'take' && next?.kind === 'number')) return true;
  }
  return false;
}

function readSign(items: readonly GoalItem[], at: number, wishes: Wishes): void {
  const { text } = items[at] as GoalItem;
  if (text === '%' && items[at + 1]?.kind !== 'number') {
    wishes.signs.push({ sign: '*', at }, { sign: '/', at });
    wishes.implied.push('100', '100');
  } else if ('+-*/^%'.includes(text)) wishes.signs.push({ sign: text, at });
  else if (!'()'.includes(text) && !COMPARISONS.some(([sign]) => sign === text)) wishes.unknown.push(text);
}

/** Returns the verb that later quotes and results belong to. */
function readWord(
  items: readonly GoalItem[],
  at: number,
  verb: TodoVerb | null,
  wishes: Wishes,
): TodoVerb | null {
  const { text } = items[at] as GoalItem;
  const known = meaningOf(items, at, verb, wishes);
  if (!known && !FILLERS.has(text)) wishes.unknown.push(text);
  if (
    Object.hasOwn(TODO_VERBS, text) &&
    !isArithmetic(items, at) &&
    !(text === 'complete' && isStatus(items, at))
  ) {
    return TODO_VERBS[text] as TodoVerb;
  }
  if (text === 'take') return items.slice(at, at + 12).some((item) => item.text === 'off') ? 'remove' : null;
  const isOther = Object.hasOwn(OPERATIONS, text) && verb !== 'add';
  return isOther || THEN.has(text) || text === 'calculate' || isArithmetic(items, at) ? null : verb;
}

function meaningOf(items: readonly GoalItem[], at: number, verb: TodoVerb | null, wishes: Wishes): boolean {
  const { text } = items[at] as GoalItem;
  const isListing = LISTING.has(text) && !isListNoun(items, at);
  const status = isListing ? listedStatus(items, at) : null;
  if (status) wishes.lists.push({ status, at });
  if (THEN.has(text)) wishes.barriers.push(at);
  if (IF.has(text)) wishes.conditions.push(conditionAt(items, at));
  if (isArithmetic(items, at)) wishes.signs.push({ sign: '+', at });
  // "multiply by 3" goes on with what came before.
  if (/^(?:multiply|divide)$/.test(text) && items[at + 1]?.text === 'by') wishes.resultUses.push(at);
  readOperation(items, at, wishes);
  // "add the product of 6 and 7 as a todo": a calculation on its way to a todo.
  const isPhrase = items[at + 1]?.text === 'of' || items[at + 1]?.text === 'between';
  if (isPhrase && verb === 'add' && isAfterAdd(items, at) && becomesTodo(items, at)) {
    wishes.resultTodos.push({ isSeveral: false, at });
  }
  const isNamed = NAMED.has(text) && !/^(?:of|between)$/.test(items[at + 1]?.text ?? '');
  const isResult = ONE.has(text) || SEVERAL.has(text) || isNamed;
  const isDoubled = SEVERAL.has(items[at - 1]?.text ?? '') || /^(?:of|three|four|five|the)$/.test(text);
  if (isResult && !isDoubled && !(text === 'result' && items[at + 1]?.text === 'of')) {
    const isTodo = verb === 'add' && !isSumOf(items, at) && becomesTodo(items, at);
    const isEvery = SEVERAL.has(text) || items[at + 1]?.text === 'results';
    if (isTodo) wishes.resultTodos.push({ isSeveral: isEvery, at });
    else if (!TODO_NOUNS.has(items[at + 1]?.text ?? '') && !isEach(items, at)) wishes.resultUses.push(at);
  }
  return (
    isResult ||
    isListing ||
    ([THEN, IF, ELSE, TODO_NOUNS, OPEN, DONE, NEGATIONS].some((set) => set.has(text)) &&
      !isRefusedNegation(items, at)) ||
    [TODO_VERBS, OPERATIONS, FUNCTION_WORDS].some((table) => Object.hasOwn(table, text))
  );
}

function readOperation(items: readonly GoalItem[], at: number, wishes: Wishes): void {
  const { text } = items[at] as GoalItem;
  const isRoot = text === 'square' && items[at + 1]?.text === 'root';
  if (Object.hasOwn(FUNCTION_WORDS, text) && items[at + 1]?.text !== 'than') {
    wishes.functions.push(FUNCTION_WORDS[text] as string);
  }
  if (isRoot || !Object.hasOwn(OPERATIONS, text)) return;
  const isResult = NAMED.has(text) && !/^(?:of|between)$/.test(items[at + 1]?.text ?? '');
  if (isResult && items[at - 1]?.text === 'the') return;
  if (
    (text === 'raised' || text === 'raise') &&
    items.slice(at, at + 6).some((item) => item.text === 'power')
  )
    return;
  const { signs, implied = [] } = OPERATIONS[text] as { signs: string; implied?: string[] };
  for (const sign of signs) wishes.signs.push({ sign, at });
  wishes.implied.push(...implied);
  // A change by percent needs the hundred twice.
  if (implied[0] === '100') wishes.implied.push('100');
}

/** "add 3 and 4", "add 5 to it", "add them together": a sum, no todo. */
function isArithmetic(items: readonly GoalItem[], at: number): boolean {
  if (items[at]?.text !== 'add') return false;
  const [next, after] = [items[at + 1], items[at + 2]];
  if (next?.kind === 'number' || next?.text === '(' || next?.text === '-') return true;
  const rest = items.slice(at + 1, at + 8);
  const end = rest.findIndex(({ kind, text }) => kind === 'mark' || TODO_NOUNS.has(text));
  const clause = end < 0 ? rest : rest.slice(0, end);
  if (clause.some(({ text }) => text === 'together')) return true;
  const to = clause.findIndex(({ text }) => text === 'to');
  const target = clause[to + 1];
  return (
    to >= 0 &&
    (target?.kind === 'number' || target?.text === 'it') &&
    next?.kind !== 'quote' &&
    after !== undefined
  );
}

/** Whether a place for todos follows before anything else is asked. */
function becomesTodo(items: readonly GoalItem[], at: number): boolean {
  for (const { kind, text } of items.slice(at + 1, at + 16)) {
    if (TODO_NOUNS.has(text) || text === 'list') return true;
    if ((kind === 'mark' && text !== ',') || THEN.has(text)) break;
  }
  return items.slice(Math.max(0, at - 8), at).some(({ text }) => TODO_NOUNS.has(text));
}

/** "the sum of both results": the sum becomes the todo, the results are its operands. */
function isSumOf(items: readonly GoalItem[], at: number): boolean {
  const before = items.slice(Math.max(0, at - 4), at).map(({ text }) => text);
  return before.some((text, index) => NAMED.has(text) && before[index + 1] === 'of');
}

function isAfterAdd(items: readonly GoalItem[], at: number): boolean {
  const isVerb = (item: GoalItem | undefined): boolean => Object.hasOwn(TODO_VERBS, item?.text ?? '');
  const before = items[at - 1]?.text === 'the' ? items[at - 2] : items[at - 1];
  return isVerb(before) || before?.text === 'and' || before?.text === ',';
}

function isEach(items: readonly GoalItem[], at: number): boolean {
  const { text } = items[at] as GoalItem;
  return (
    (text === 'each' || text === 'every') && items.slice(at, at + 5).some((item) => TODO_NOUNS.has(item.text))
  );
}

function isListNoun(items: readonly GoalItem[], at: number): boolean {
  const before = items[at - 1]?.text ?? '';
  return items[at]?.text === 'list' && (TODO_NOUNS.has(before) || /^(?:do|my|the|our)$/.test(before));
}

/** "complete" after "as" or before "todos" says how todos are; elsewhere it says what to do with them. */
function isStatus(items: readonly GoalItem[], at: number): boolean {
  const isLast = items[at - 1]?.text === 'to' && !/^(?:quote|word)$/.test(items[at + 1]?.kind ?? '');
  const isBeforeTodos = items[at + 1]?.text === 'todos' && items[at + 2]?.kind !== 'quote';
  return isLast || isBeforeTodos || /^(?:as|not|are)$/.test(items[at - 1]?.text ?? '');
}

/** The status asked for when todos follow a listing verb before anything else; null when they do not. */
function listedStatus(items: readonly GoalItem[], at: number): 'open' | 'done' | 'all' | null {
  const rest = items.slice(at + 1, at + 14);
  const stop = rest.findIndex(
    ({ kind, text }) =>
      kind !== 'word' || text === 'and' || THEN.has(text) || IF.has(text) || Object.hasOwn(OPERATIONS, text),
  );
  const clause = (stop < 0 ? rest : rest.slice(0, stop)).map(({ text }) => text);
  // "show me my todos": the first verb counts, "tell me which todos" is one request too.
  if (/^(?:tell|give|get)$/.test(clause[0] ?? '')) return null;
  const isTodos = clause.some((text) => TODO_NOUNS.has(text)) || clause.join(' ').includes('to do list');
  if (!isTodos && !/^(?:me )?(?:everything|all) (?:on|in) (?:my|the|our) list$/.test(clause.join(' ')))
    return null;
  if (
    LISTING.has(items[at - 1]?.text ?? '') ||
    (items[at - 1]?.text === 'me' && LISTING.has(items[at - 2]?.text ?? ''))
  ) {
    return null;
  }
  const isOpen = clause.some((text) => OPEN.has(text));
  const isDone = clause.some((text) => DONE.has(text));
  if (!isOpen && !isDone) return 'all';
  return isDone === clause.some((text) => NEGATIONS.has(text)) ? 'open' : 'done';
}

function conditionAt(items: readonly GoalItem[], at: number): Wishes['conditions'][number] {
  const rest = items.slice(at + 1, at + MAX_CONDITION);
  for (let from = 0; from < rest.length; from += 1) {
    const ahead = rest.slice(from).map(({ text }) => text);
    const isNot = /^(?:not|isn't)$/.test(ahead[0] ?? '');
    const found = COMPARISONS.find(([phrase]) =>
      phrase.split(' ').every((word, index) => ahead[index + Number(isNot)] === word),
    );
    const isBare = found?.[0] === 'is' && rest[from + 1]?.kind !== 'number' && rest[from + 1]?.text !== '-';
    if (!found || isBare) continue;
    const after = rest.slice(from + Number(isNot) + found[0].split(' ').length);
    const isNegative = after[0]?.text === '-' || after[0]?.text === 'minus';
    const value = after[Number(isNegative)];
    const isUnless = items[at]?.text === 'unless';
    return {
      op: (isNot !== isUnless ? NOT[found[1]] : found[1]) as string,
      value: value?.kind === 'number' ? `${isNegative ? '-' : ''}${value.text}` : null,
      at,
      hasElse: rest.some(({ text }) => ELSE.has(text)),
    };
  }
  return { op: 'none', value: null, at, hasElse: false };
}

/** "do not add": the judge knows no step that does nothing. Within a listing or a comparison "not" has its meaning. */
function isRefusedNegation(items: readonly GoalItem[], at: number): boolean {
  return items[at]?.text === 'not' && items[at - 1]?.text === 'do';
}
