import { missingFrom } from './counted';
import type { Wishes } from './goal-wishes';
import { usedBy, type Calculation, type PlanFacts, type TodoStep } from './plan-facts';

/** Whether the todos of a plan are those of the goal. */
export function todoIssues(wishes: Wishes, facts: PlanFacts): string[] {
  const wanted = wishes.todos.map(({ verb, text }) => `${verb} "${text}"`);
  const there = facts.todos.flatMap(({ verb, text }) => (text === null ? [] : [`${verb} "${text}"`]));
  const wantedLists = wishes.lists.map(({ status }) => status);
  const lists = facts.lists.map(({ status }) => status);
  return [
    ...missingFrom(wanted, there).map((todo) => `No step does this: ${todo}.`),
    ...missingFrom(there, wanted).map((todo) => `The goal does not ask for this: ${todo}.`),
    ...missingFrom(wantedLists, lists).map((status) => `No step lists the ${status} todos.`),
    ...missingFrom(lists, wantedLists).map((status) => `The goal does not ask to list the ${status} todos.`),
    ...resultTodoIssues(wishes, facts),
  ];
}

/** Results that become todos: each the right number of times, each with its own calculation. */
function resultTodoIssues({ resultTodos }: Wishes, { todos, calculations }: PlanFacts): string[] {
  const made = todos.filter(({ text }) => text === null);
  const issues = made.flatMap((todo) =>
    isOwnResult(todo, calculations) ? [] : [`Step ${todo.step.id} adds no result.`],
  );
  const several = resultTodos.filter(({ isSeveral }) => isSeveral).length;
  const first = made[0]?.index ?? Infinity;
  const results = calculations.filter(({ index }) => index < first).length;
  const wanted = resultTodos.length - several + several * results;
  if (made.length < wanted) issues.push('A result that the goal wants as a todo is not added.');
  if (made.length > wanted) issues.push('A result becomes a todo and the goal does not say so.');
  const targets = made.map(({ step }) => resultOf(step.input['text']));
  if (new Set(targets).size < targets.length) issues.push('One result becomes a todo twice.');
  return issues;
}

/** `6 * 7 = {step_1.value}` where step_1 calculates 6 * 7, or the value alone. */
function isOwnResult({ step, verb }: TodoStep, calculations: readonly Calculation[]): boolean {
  const text = String(step.input['text']);
  const id = resultOf(text);
  const calculation = calculations.find((one) => one.step.id === id);
  if (verb !== 'add' || !calculation || !usedBy(step).includes(calculation.step.id)) return false;
  const said = text.slice(0, text.lastIndexOf('{'));
  return said === '' || bare(said) === `${bare(calculation.expression)}=`;
}

function resultOf(text: unknown): string | null {
  return /\{([a-z0-9_]+)\.value\}$/.exec(String(text))?.[1] ?? null;
}

/** Without spaces and the brackets that only hold a result together. */
function bare(text: string): string {
  return text.replace(/\s+/g, '').replace(/\((\{[^{}]*\})\)/g, '$1');
}
