import type { Step } from '../../contracts/plan';
import { needsOf } from '../outline';
import { hasReference, referencesOf, unescapeLiterals } from '../references';
import { plainNumber } from './goal-items';

/** A calculation of a plan, taken apart. */
export interface Calculation {
  step: Step;
  index: number;
  expression: string;
  /** Numbers, signs, brackets, names of functions and references (as `{…}`), in order. */
  parts: string[];
}

export interface TodoStep {
  step: Step;
  index: number;
  verb: 'add' | 'complete' | 'remove';
  /** As it will be stored; null where it holds results. */
  text: string | null;
}

/** A plan as the judge sees it. */
export interface PlanFacts {
  calculations: Calculation[];
  todos: TodoStep[];
  lists: { step: Step; index: number; status: string }[];
  /** Steps with a tool the judge does not know, or an input it cannot read. */
  strange: Step[];
  /** Indexes of the steps that have ended before each step starts. */
  before: Set<number>[];
}

const PART = /\{[^{}]*\}|\d+(?:\.\d+)?|[a-z]+|[-+*/%^()!,]/gi;

export function readPlan(steps: readonly Step[]): PlanFacts {
  const facts: PlanFacts = { calculations: [], todos: [], lists: [], strange: [], before: ancestors(steps) };
  for (const [index, step] of steps.entries()) {
    const { tool, input } = step;
    const { expression, text, status = 'all' } = input;
    const verb = /^todo\.(add|complete|remove)$/.exec(tool)?.[1] as TodoStep['verb'] | undefined;
    if (tool === 'calculator' && typeof expression === 'string') {
      facts.calculations.push({ step, index, expression, parts: partsOf(expression) });
    } else if (verb && typeof text === 'string') {
      facts.todos.push({
        step,
        index,
        verb,
        text: hasReference(text) ? null : (unescapeLiterals(text) as string),
      });
    } else if (tool === 'todo.list' && typeof status === 'string') facts.lists.push({ step, index, status });
    else facts.strange.push(step);
  }
  return facts;
}

export function partsOf(expression: string): string[] {
  return [...expression.matchAll(PART)].map(([part]) => (/^\d/.test(part) ? plainNumber(part) : part));
}

export function isNumber(part: string | undefined): boolean {
  return part !== undefined && /^\d/.test(part);
}

/** Ids of the steps that the input of a step refers to. */
export function usedBy(step: Step): string[] {
  return [...new Set(referencesOf(step.input).map(({ step_id }) => step_id))];
}

/** Everything that has ended before a step starts. A plan that got here has no cycles; a step on one has what was found. */
function ancestors(steps: readonly Step[]): Set<number>[] {
  const indexOf = new Map(steps.map(({ id }, index) => [id, index]));
  const needs = steps.map((step) => needsOf(step).flatMap((id) => indexOf.get(id) ?? []));
  return steps.map((_step, index) => {
    const found = new Set<number>();
    const open = [...(needs[index] ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (found.has(next)) continue;
      found.add(next);
      open.push(...(needs[next] ?? []));
    }
    return found;
  });
}
