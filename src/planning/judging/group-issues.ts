import { missingFrom } from './counted';
import type { GoalItem } from './goal-items';
import type { PlanFacts } from './plan-facts';

/** Most pieces of one calculation that are read; longer ones are rejected. */
const MAX_PARTS = 1_000;
const MAX_NESTING = 60;

const INFIX: Readonly<Record<string, string>> = {
  plus: '+',
  minus: '-',
  times: '*',
  'multiplied by': '*',
  'divided by': '/',
  mod: '%',
  modulo: '%',
  'to the power of': '^',
};
const PREFIX: Readonly<Record<string, string>> = {
  sum: '+',
  total: '+',
  product: '*',
  difference: '-',
  quotient: '/',
};
const VERBS: readonly (readonly [verb: string, sign: string, between: readonly string[]])[] = [
  ['add', '+', ['and', ',', 'to']],
  ['multiply', '*', ['and', ',', 'by']],
  ['divide', '/', ['by']],
  ['subtract', '-', ['from']],
];
/** Words that group numbers in ways that signs do not show. */
const GROUPING =
  /^(?:then|start|take|sum|total|product|difference|quotient|increased?|decreased?|reduced?|power|percent|cent|half|halve|third|quarter|double|twice|triple|squared?|cubed?|root|larger|smaller|maximum|minimum|add|subtract|multiply|divide|,|%)$/;

const TIGHTNESS: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 };

/**
 * Whether numbers are put together in the order of the goal: "3 + 4 * 2" and "the sum of 3 and 4, times 2" differ in which two
 * numbers meet first.
 */
export function groupIssues(items: readonly GoalItem[], { calculations }: PlanFacts): string[] {
  const there = calculations.flatMap(({ parts }) => pairsOf(parts));
  const wanted = [...runsOf(items).flatMap(pairsOf), ...phrasePairs(items)];
  const missing = missingFrom(wanted, there).map(
    (pair) => `No step puts ${pair} together first, as the goal does.`,
  );
  if (items.some(({ text }) => GROUPING.test(text)) || calculations.some(hasFunction)) return missing;
  return [
    ...missing,
    ...missingFrom(there, wanted).map((pair) => `The goal does not put ${pair} together first.`),
  ];
}

function hasFunction({ parts }: { parts: readonly string[] }): boolean {
  return parts.some((part) => /^[a-z]/i.test(part));
}

/** Stretches of the goal that are written with signs or words between numbers. */
function runsOf(items: readonly GoalItem[]): string[][] {
  const runs: string[][] = [[]];
  for (let at = 0; at < items.length; at += 1) {
    const { kind, text } = items[at] as GoalItem;
    const words = Object.keys(INFIX).find((phrase) =>
      phrase.split(' ').every((word, ahead) => items[at + ahead]?.text === word),
    );
    const run = runs.at(-1) as string[];
    if (kind === 'number' || (kind === 'sign' && '+-*/^%()'.includes(text))) run.push(text);
    else if (words !== undefined) {
      run.push(INFIX[words] as string);
      at += words.split(' ').length - 1;
    } else if (run.length > 0) runs.push([]);
  }
  return runs;
}

/** "the sum of 3 and 4", "add 3 and 4", "multiply 3 by 4": the two meet first. */
function phrasePairs(items: readonly GoalItem[]): string[] {
  return items.flatMap(({ text }, at) => {
    const [first, second, third] = items.slice(at + 1, at + 4);
    const verb = VERBS.find(([word, , between]) => word === text && between.includes(second?.text ?? ''));
    if (verb && first?.kind === 'number' && third?.kind === 'number') {
      return [verb[1] === '-' ? pair(third.text, '-', first.text) : pair(first.text, verb[1], third.text)];
    }
    const sign = Object.hasOwn(PREFIX, text) ? PREFIX[text] : undefined;
    const [of, left, and, right] = items.slice(at + 1, at + 5);
    const isPair = sign && /^(?:of|between)$/.test(of?.text ?? '') && /^(?:and|,)$/.test(and?.text ?? '');
    if (!isPair || left?.kind !== 'number' || right?.kind !== 'number') return [];
    // "the sum of 3 and 4 * 5" has its own meaning for each reader; no planner should take it.
    return [pair(left.text, sign, right.text)];
  });
}

/** The pairs of plain numbers that a calculation puts together directly. */
function pairsOf(parts: readonly string[]): string[] {
  if (parts.length > MAX_PARTS) return ['too many numbers'];
  const pairs: string[] = [];
  let at = 0;
  const operand = (depth: number): string | null => {
    const part = parts[at] ?? '';
    at += 1;
    if (part === '(' && depth < MAX_NESTING) {
      const inner = level(1, depth + 1);
      if (parts[at] === ')') at += 1;
      return inner;
    }
    if (part === '-' || part === '+') {
      operand(depth);
      return null;
    }
    return /^\d/.test(part) ? part : null;
  };
  const level = (tightness: number, depth: number): string | null => {
    let left = tightness > 3 ? operand(depth) : level(tightness + 1, depth);
    while (tightness <= 3 && TIGHTNESS[parts[at] ?? ''] === tightness) {
      const sign = parts[at] as string;
      at += 1;
      // Powers group from the right.
      const right = sign === '^' ? level(3, depth) : level(tightness + 1, depth);
      if (left !== null && right !== null) pairs.push(pair(left, sign, right));
      left = null;
    }
    return left;
  };
  while (at < parts.length) {
    level(1, 0);
    // A bracket without its partner, the comma of a function: what follows is read on its own.
    if (at < parts.length) at += 1;
  }
  return pairs;
}

function pair(left: string, sign: string, right: string): string {
  const isTurnable = sign === '+' || sign === '*';
  return isTurnable && left > right ? `${right} ${sign} ${left}` : `${left} ${sign} ${right}`;
}
