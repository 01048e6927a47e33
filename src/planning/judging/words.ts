/** Verbs about todos by what they do. */
export const TODO_VERBS: Readonly<Record<string, 'add' | 'complete' | 'remove'>> = {
  ...all('add put create make note write jot save record store enter append', 'add'),
  ...all('complete finish mark tick check set', 'complete'),
  ...all('remove delete erase drop', 'remove'),
};

/** Words that ask to see todos, when todos are what follows. */
export const LISTING: ReadonlySet<string> = new Set(
  'list show display print view see get give tell read which what'.split(' ').concat("what's"),
);
export const TODO_NOUNS: ReadonlySet<string> = new Set(['todo', 'todos', 'to-do', 'to-dos']);
export const OPEN: ReadonlySet<string> = new Set(
  'open pending unfinished outstanding incomplete uncompleted remaining left still'.split(' '),
);
export const DONE: ReadonlySet<string> = new Set('done completed complete finished'.split(' '));
export const NEGATIONS: ReadonlySet<string> = new Set(['not', "haven't", "isn't"]);

/** Signs of calculations by word; some bring a number that the goal does not spell out. */
export const OPERATIONS: Readonly<Record<string, { signs: string; implied?: string[] }>> = {
  ...all('plus sum total', { signs: '+' }),
  ...all('minus subtract deduct difference', { signs: '-' }),
  ...all('times multiply multiplied product', { signs: '*' }),
  ...all('divide divided quotient', { signs: '/' }),
  ...all('power raised raise', { signs: '^' }),
  ...all('double twice', { signs: '*', implied: ['2'] }),
  ...all('triple', { signs: '*', implied: ['3'] }),
  ...all('half halve', { signs: '/', implied: ['2'] }),
  third: { signs: '/', implied: ['3'] },
  quarter: { signs: '/', implied: ['4'] },
  ...all('squared square', { signs: '^', implied: ['2'] }),
  ...all('cubed cube', { signs: '^', implied: ['3'] }),
  ...all('mod modulo', { signs: '%' }),
  ...all('percent cent', { signs: '*/', implied: ['100'] }),
  ...all('increased increase', { signs: '+' }),
  ...all('decreased decrease reduced reduce lower', { signs: '-' }),
};

/** Functions of the calculator by word. */
export const FUNCTION_WORDS: Readonly<Record<string, string>> = {
  ...all('maximum largest larger greatest greater highest bigger biggest max', 'max'),
  ...all('minimum smallest smaller lowest min', 'min'),
  ...all('root sqrt', 'sqrt'),
  abs: 'abs',
  round: 'round',
  floor: 'floor',
  ceil: 'ceil',
};

/** Words for what was calculated before; those in `SEVERAL` mean more than one. */
export const SEVERAL: ReadonlySet<string> = new Set('both results answers them each every their'.split(' '));
export const ONE: ReadonlySet<string> = new Set('it result answer outcome'.split(' '));
/** "the sum" without "of" means a result too. */
export const NAMED: ReadonlySet<string> = new Set('sum total product difference quotient'.split(' '));

/** Words after which everything before has to have ended. */
export const THEN: ReadonlySet<string> = new Set('then after afterwards finally lastly next end'.split(' '));
export const IF: ReadonlySet<string> = new Set(['if', 'provided', 'unless']);
export const ELSE: ReadonlySet<string> = new Set(['otherwise', 'else']);

/** Words that ask for nothing by themselves. */
export const FILLERS: ReadonlySet<string> = new Set(
  (
    'a an the my our this that these those of to from on onto in into off as for with by at me i have you would like could ' +
    'can will want need please kindly hi hello hey there thanks thank calculate compute work out evaluate figure determine ' +
    'find solve is are do how much many value and also well or so first firstly all of list item items entry entries new ' +
    'another following says saying called named titled text reading up down together away take start begin between only ' +
    "equal exceeds equals falls below above over under more less than larger smaller bigger higher lower least most exactly yet already no everything second fourth fifth last one two three i'd i've it's separate which because"
  ).split(' '),
);

/** Comparisons in words and signs; the first that fits what follows a condition counts. */
export const COMPARISONS: readonly (readonly [
  phrase: string,
  op: 'gt' | 'gte' | 'lt' | 'lte' | 'eq' | 'ne',
])[] = [
  ['greater than or equal to', 'gte'],
  ['less than or equal to', 'lte'],
  ['smaller than or equal to', 'lte'],
  ['at least', 'gte'],
  ['at most', 'lte'],
  ['greater than', 'gt'],
  ['larger than', 'gt'],
  ['bigger than', 'gt'],
  ['higher than', 'gt'],
  ['more than', 'gt'],
  ['exceeds', 'gt'],
  ['above', 'gt'],
  ['over', 'gt'],
  ['less than', 'lt'],
  ['smaller than', 'lt'],
  ['lower than', 'lt'],
  ['falls below', 'lt'],
  ['below', 'lt'],
  ['under', 'lt'],
  ['equal to', 'eq'],
  ['equals', 'eq'],
  ['exactly', 'eq'],
  ['>=', 'gte'],
  ['≥', 'gte'],
  ['<=', 'lte'],
  ['≤', 'lte'],
  ['!=', 'ne'],
  ['≠', 'ne'],
  ['>', 'gt'],
  ['<', 'lt'],
  ['==', 'eq'],
  ['=', 'eq'],
  ['is', 'eq'],
];
export const NOT: Readonly<Record<string, string>> = {
  gt: 'lte',
  gte: 'lt',
  lt: 'gte',
  lte: 'gt',
  eq: 'ne',
  ne: 'eq',
};

function all<T>(words: string, meaning: T): Record<string, T> {
  return Object.fromEntries(words.split(' ').map((word) => [word, meaning]));
}
