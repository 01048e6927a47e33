import type { TodoStatus } from './clause';
import { readNumber } from './numbers';
import type { Reader } from './reader';

const SINGULAR = ['todo', 'to-do', 'to do'] as const;
const PLURAL = ['todos', 'to-dos'] as const;
const ITEM = ['item', 'entry'] as const;
const ITEMS = ['items', 'entries'] as const;
const OWNER = ['my', 'the', 'our'] as const;

const STATUS: Readonly<Record<string, TodoStatus>> = {
  open: 'open',
  pending: 'open',
  unfinished: 'open',
  outstanding: 'open',
  incomplete: 'open',
  uncompleted: 'open',
  remaining: 'open',
  done: 'done',
  completed: 'done',
  complete: 'done',
  finished: 'done',
};

/** Takes "todo", "to-do item", "todos", "todo items"; says which number it has, null when none comes next. */
export function readTodoNoun(reader: Reader): 'one' | 'many' | null {
  return reader.attempt(() => {
    if (reader.acceptOne(PLURAL)) return 'many';
    if (!reader.acceptOne(SINGULAR) || reader.sees('list')) return null;
    if (reader.acceptOne(ITEMS)) return 'many';
    reader.acceptOne(ITEM);
    return 'one';
  });
}

/** Takes "my todo list", "the list", "my todos". */
export function acceptList(reader: Reader): boolean {
  const isTaken = reader.attempt(() => {
    const owner = reader.acceptOne(OWNER);
    if (reader.acceptOne(SINGULAR) && reader.accept('list')) return true;
    if (owner === null) return null;
    return reader.accept('list') || reader.acceptOne(PLURAL) !== null || null;
  });
  return isTaken === true;
}

/** Takes one of the prepositions and the list after it: "to my todo list", "from my todos". */
export function acceptAtList(reader: Reader, prepositions: readonly string[]): boolean {
  const isTaken = reader.attempt(() => (reader.acceptOne(prepositions) && acceptList(reader) ? true : null));
  return isTaken === true;
}

/** Takes "as a todo", "as todos", "as new todo items". */
export function acceptAsTodo(reader: Reader): boolean {
  const isTaken = reader.attempt(() => {
    if (!reader.accept('as')) return null;
    reader.acceptOne(['a new', 'another', 'a', 'new', 'separate', 'two', 'three']);
    return readTodoNoun(reader);
  });
  return isTaken !== null;
}

/** Takes "a todo", "the todos", "two new todos"; `count` where it says how many. */
export function readTodos(reader: Reader): { noun: 'one' | 'many'; count: number | null } | null {
  return reader.attempt(() => {
    const word = reader.acceptOne(['a', 'an', 'the', 'another', 'these', 'my', 'following']);
    if (word === 'the' || word === 'these') reader.accept('following');
    const count = word === 'a' || word === 'an' ? null : readNumber(reader);
    reader.accept('new');
    const noun = readTodoNoun(reader);
    return noun && { noun, count: count === null ? null : Number(count) };
  });
}

/** "list all my open todos", "which of my todos are done", "what is on my todo list"; null, with nothing taken, for anything else. */
export function readListing(reader: Reader): TodoStatus | null {
  return reader.attempt(() => asked(reader)) ?? reader.attempt(() => told(reader));
}

const LIST_VERBS = [
  'list',
  'show',
  'display',
  'print',
  'view',
  'see',
  'get',
  'give',
  'tell',
  'read',
] as const;
const WHICH_VERBS = ['which', 'what'] as const;

function told(reader: Reader): TodoStatus | null {
  if (!reader.acceptOne(LIST_VERBS)) return null;
  reader.accept('me');
  const isEverything = reader.attempt(() =>
    reader.acceptOne(['everything', 'all']) && reader.acceptOne(['on', 'in']) && acceptList(reader)
      ? true
      : null,
  );
  return isEverything ? 'all' : todosMeant(reader);
}

function asked(reader: Reader): TodoStatus | null {
  const is = ["what's", 'what is'] as const;
  const onList = reader.attempt((): TodoStatus | null => {
    if (!reader.acceptOne(is)) return null;
    const status = reader.acceptOne(['still open', 'still', 'left', 'open']) ? 'open' : 'all';
    return acceptAtList(reader, ['on', 'in']) ? status : null;
  });
  if (onList) return onList;
  const myTodos = reader.attempt(() => (reader.accept('what are') ? todosMeant(reader) : null));
  if (myTodos) return myTodos;
  if (!reader.acceptOne(WHICH_VERBS)) return null;
  reader.accept('of');
  reader.acceptOne(OWNER);
  const status = acceptStatus(reader);
  if (readTodoNoun(reader) !== 'many') return null;
  if (reader.accept('do i have')) return status ?? (reader.acceptOne(['left', 'open']) ? 'open' : 'all');
  if (!reader.accept('are') || status !== null) return null;
  return said(reader);
}

/** "all my open todos", "every done todo I have", "the todos I have not finished". */
function todosMeant(reader: Reader): TodoStatus | null {
  const word = reader.acceptOne(['all of', 'all', 'every', 'each']);
  if (word !== 'every' && word !== 'each') reader.acceptOne(OWNER);
  const status = acceptStatus(reader);
  const noun = readTodoNoun(reader);
  if (noun === null) return status === null && word !== 'every' && acceptListAlone(reader) ? 'all' : null;
  if (noun === 'one' && word !== 'every' && word !== 'each') return null;
  return qualified(reader, status);
}

/** "my todo list": the owner may have been taken. */
function acceptListAlone(reader: Reader): boolean {
  return reader.acceptOne(SINGULAR) !== null && reader.accept('list');
}

function qualified(reader: Reader, status: TodoStatus | null): TodoStatus | null {
  const later = reader.attempt((): TodoStatus | null => {
    if (reader.acceptOne(['that are', 'which are'])) return said(reader);
    if (reader.accept('i have not') || reader.accept("i haven't")) {
      reader.accept('yet');
      const isDone = reader.acceptOne(['finished', 'completed', 'done']);
      reader.accept('yet');
      return isDone ? 'open' : null;
    }
    if (reader.accept('i have already') || reader.accept('i have') || reader.accept("i've")) {
      return reader.acceptOne(['finished', 'completed', 'done']) ? 'done' : null;
    }
    return null;
  });
  // Two statements about the status could contradict each other.
  if (later !== null && status !== null) return null;
  if (later === null) reader.accept('i have');
  if (!acceptAtList(reader, ['on', 'in', 'from'])) reader.accept('on it');
  return later ?? status ?? 'all';
}

/** "not done", "still open", "finished". */
function said(reader: Reader): TodoStatus | null {
  const isNot = reader.accept('not');
  if (!isNot) reader.acceptOne(['still', 'already']);
  else reader.acceptOne(['yet', 'already']);
  const status = acceptStatus(reader);
  if (status === null || status === 'all') return null;
  if (isNot) reader.accept('yet');
  return isNot === (status === 'open') ? 'done' : 'open';
}

function acceptStatus(reader: Reader): TodoStatus | null {
  const { kind, text } = reader.peek();
  const isStatus = kind === 'word' && Object.hasOwn(STATUS, text);
  if (!isStatus) return null;
  reader.take();
  return STATUS[text] ?? null;
}
