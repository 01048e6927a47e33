import type { Action, TodoItem } from './clause';
import { isCalculation } from './expression';
import { ExpressionReader } from './expression-reader';
import { seesNumber } from './numbers';
import type { Reader } from './reader';
import { readManyResults, readOneResult } from './results';
import { acceptAsTodo, acceptAtList, readTodos } from './todo-words';

const ADD_VERBS = [
  'add',
  'put',
  'create',
  'make',
  'note down',
  'note',
  'write down',
  'jot down',
  'save',
  'record',
  'store',
  'enter',
  'append',
] as const;
/** Verbs that mean a todo by themselves when a quote follows; the others need "todo" or the list. */
const ADD_ALONE: readonly string[] = ['add', 'note', 'note down', 'jot down'];
const TO = ['to', 'on', 'onto', 'in', 'into'] as const;
const SAYS = [
  'that says',
  'which says',
  'saying',
  'called',
  'named',
  'titled',
  'with the text',
  'with text',
  'reading',
] as const;
const FOR = ['for', 'from', 'with', 'of', 'out of'] as const;
const DONE = ['done', 'complete', 'completed', 'finished'] as const;

/** Words that cannot stand in a text without quotes: each could be the beginning of something else. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'and then if unless otherwise else finally also after before it them both all every each everything any ' +
    'result results answer answers sum product difference quotient todo todos to-do to-dos list this that these those ' +
    'not no never except but'
  ).split(' '),
);
/** Verbs that begin another request: a text without quotes must not begin with one. */
const COMMANDS: ReadonlySet<string> = new Set(
  (
    'add put create make note save record store list show display print give tell remove delete erase complete mark tick ' +
    'check calculate compute evaluate what which multiply divide subtract double remind fetch search'
  ).split(' '),
);
/** Longest text without quotes, words. */
const MAX_WORDS = 60;

/** "add 'a' and 'b' as todos" and its kin; null, with nothing taken, where the verb means something else. */
export function readAdd(reader: Reader): Action | null {
  return reader.attempt((): Action | null => {
    const verb = reader.acceptOne(ADD_VERBS);
    if (verb === null) return null;
    const named = readTodos(reader);
    if (named) return namedTodos(reader, named);
    const items = readItems(reader)?.items;
    if (items) {
      const hasTarget = acceptAsTodo(reader) || acceptAtList(reader, TO);
      const isQuotes = items.every(({ kind }) => kind === 'text');
      return hasTarget || (isQuotes && ADD_ALONE.includes(verb)) ? { kind: 'add', items } : null;
    }
    const text = plainText(reader, () => acceptAsTodo(reader) || acceptAtList(reader, TO));
    return text === null ? null : { kind: 'add', items: [{ kind: 'text', text }] };
  });
}

function namedTodos(
  reader: Reader,
  { noun, count }: { noun: 'one' | 'many'; count: number | null },
): Action | null {
  const start = reader.peek().start;
  const says = reader.acceptOne(SAYS) !== null;
  const hasColon = reader.acceptMark(':');
  const isFor = !says && !hasColon && reader.acceptOne(FOR) !== null;
  const read = readItems(reader);
  const items = read?.items ?? (isFor ? null : unquoted(reader, noun, says || hasColon));
  if (items === null)
    return reader.refuse('it is not clear what the todo says; put its text in quotes', start);
  acceptAtList(reader, TO);
  // "a todo 'a' and another todo 'b'": each has its noun.
  const own = items.length - (read?.named ?? 0);
  const isMany = own > 1 || items.some(({ kind }) => kind === 'many');
  const isCounted = count !== null && !items.some(({ kind }) => kind === 'many');
  if ((noun === 'one' && isMany) || (isCounted && own !== count)) {
    return reader.refuse('the number of todos does not fit what follows', start);
  }
  return { kind: 'add', items };
}

/** Quotes and results with commas and "and" between them; null, with nothing taken, where none comes next. */
function readItems(reader: Reader): { items: TodoItem[]; named: number } | null {
  const first = readItem(reader);
  if (!first) return null;
  const items = [first];
  let named = 0;
  for (;;) {
    const next = reader.attempt(() => {
      const hasComma = reader.acceptMark(',');
      const isJoined = reader.accept('and') || reader.accept('as well as');
      if (!hasComma && !isJoined) return null;
      const isNamed = reader.attempt(() =>
        readTodos(reader) && (reader.acceptOne(SAYS) ?? true) && isQuote(reader) ? true : null,
      );
      const item = readItem(reader);
      if (item && isNamed) named += 1;
      return item;
    });
    if (next === null) return { items, named };
    items.push(next);
  }
}

function isQuote(reader: Reader): boolean {
  return reader.peek().kind === 'quote';
}

function readItem(reader: Reader): TodoItem | null {
  if (isQuote(reader)) return { kind: 'text', text: reader.take().text };
  const many = readManyResults(reader);
  if (many) return { kind: 'many', of: many };
  const one = readOneResult(reader);
  if (one) return { kind: 'one', of: one };
  return reader.attempt((): TodoItem | null => {
    const isResult = reader.accept('the result of') || reader.accept('the value of');
    const isPhrase = reader.sees('the') || reader.sees('their');
    if (!isResult && !isPhrase) return null;
    if (
      !isResult &&
      !/^(?:sum|product|difference|quotient|square|total|maximum|minimum)$/.test(reader.peek(1).text)
    ) {
      return null;
    }
    const of = new ExpressionReader(reader).sum();
    return isCalculation(of) ? { kind: 'calculation', of } : null;
  });
}

/** "todo: buy milk", "todos: a, b and c", "a todo to buy milk". */
function unquoted(reader: Reader, noun: 'one' | 'many', isIntroduced: boolean): TodoItem[] | null {
  if (!isIntroduced && !(noun === 'one' && reader.accept('to'))) return null;
  const texts: string[] = [];
  for (;;) {
    const text = plainText(reader, () => endsItem(reader, noun));
    if (text === null) return null;
    texts.push(text);
    const goesOn = reader.attempt(() => {
      const hasComma = reader.acceptMark(',');
      const isLast = reader.accept('and');
      return (hasComma || isLast) && !startsAnother(reader) ? { isLast } : null;
    });
    if (goesOn === null) break;
    // "buy milk and bread": one todo or two?
    if (noun === 'one') return null;
    if (goesOn.isLast) {
      const last = plainText(reader, () => endsItem(reader, 'one'));
      if (last === null) return null;
      texts.push(last);
      break;
    }
  }
  return texts.map((text) => ({ kind: 'text', text }));
}

/** Whether a text without quotes ends here; nothing is taken. */
function endsItem(reader: Reader, noun: 'one' | 'many'): boolean {
  const { kind, text } = reader.peek();
  if (kind === 'end' || (kind === 'mark' && '.!?;\n'.includes(text))) return true;
  if (noun === 'many' && (text === ',' || text === 'and')) return true;
  const start = reader.at;
  if (reader.acceptMark(',')) reader.accept('and');
  const ends = acceptAtList(reader, TO) || (text === ',' && startsAnother(reader));
  reader.at = start;
  return ends;
}

function startsAnother(reader: Reader): boolean {
  return reader.seesOne(['then', 'finally', 'after that', 'afterwards']) || COMMANDS.has(reader.peek().text);
}

/**
 * Words of the goal as they stand, up to where `ends` says so; null when they hold anything that could mean something else.
 */
function plainText(reader: Reader, ends: () => boolean): string | null {
  const { start } = reader.peek();
  let end = start;
  if (COMMANDS.has(reader.peek().text) || seesNumber(reader)) return null;
  for (let words = 0; words < MAX_WORDS; words += 1) {
    if (words > 0 && ends()) return reader.goal.slice(start, end);
    const { kind, text } = reader.peek();
    if (kind !== 'word' && kind !== 'number') return null;
    if (RESERVED.has(text)) return null;
    end = reader.take().end;
  }
  return null;
}

/** "complete 'a'", "mark 'a' and 'b' as done", "tick 'a' off"; null, with nothing taken, for anything else. */
export function readComplete(reader: Reader): Action | null {
  return (
    reader.attempt(() => {
      if (!reader.acceptOne(['complete', 'finish'])) return null;
      const texts = quotedTodos(reader);
      if (texts === null) return null;
      acceptAtList(reader, ['on', 'in', 'from']);
      return { kind: 'complete' as const, texts };
    }) ??
    reader.attempt(() => {
      if (!reader.acceptOne(['tick off', 'check off'])) return null;
      const texts = quotedTodos(reader);
      if (texts === null) return null;
      acceptAtList(reader, ['on', 'from']);
      return { kind: 'complete' as const, texts };
    }) ??
    reader.attempt(() => {
      if (!reader.acceptOne(['mark', 'tick', 'check', 'set'])) return null;
      const texts = quotedTodos(reader) ?? alone(plainText(reader, () => reader.sees('as')));
      if (texts === null) return null;
      const isOff = reader.accept('off');
      const isDone = (reader.accept('as') || reader.accept('to')) && reader.acceptOne(DONE) !== null;
      if (!isOff && !isDone) return null;
      acceptAtList(reader, ['on', 'in', 'from']);
      return { kind: 'complete' as const, texts };
    })
  );
}

/** "remove 'a'", "delete the todos 'a' and 'b'", "take 'a' off my todo list"; null, with nothing taken, for anything else. */
export function readRemove(reader: Reader): Action | null {
  return (
    reader.attempt(() => {
      if (!reader.acceptOne(['remove', 'delete', 'erase', 'drop'])) return null;
      const texts = quotedTodos(reader);
      if (texts !== null) acceptAtList(reader, ['from', 'off']);
      const found = texts ?? alone(plainText(reader, () => acceptAtList(reader, ['from', 'off'])));
      return found && { kind: 'remove' as const, texts: found };
    }) ??
    reader.attempt(() => {
      if (!reader.accept('take')) return null;
      const texts = quotedTodos(reader) ?? alone(plainText(reader, () => reader.sees('off')));
      return texts && acceptAtList(reader, ['off of', 'off']) ? { kind: 'remove' as const, texts } : null;
    })
  );
}

function alone(text: string | null): string[] | null {
  return text === null ? null : [text];
}

/** "'a' and 'b'", "the todos 'a', 'b'", "the todo that says 'a'". */
function quotedTodos(reader: Reader): string[] | null {
  return reader.attempt(() => {
    const named = readTodos(reader);
    if (named) {
      if (!reader.acceptOne(SAYS)) reader.acceptMark(':');
    }
    if (!isQuote(reader)) return null;
    const items = readItems(reader)?.items ?? [];
    if (!items.every((item) => item.kind === 'text')) return null;
    return items.map((item) => (item as { text: string }).text);
  });
}
