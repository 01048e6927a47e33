import type { Wishes } from './goal-wishes';
import { isNumber, type PlanFacts } from './plan-facts';

/** Where in the goal each step has its place, by index of the step; null where nothing says. */
export type Anchors = (number | null)[];

/** Finds the place of each step: of its first number, its text, its listing, the result it adds. Each place serves once. */
export function anchorsOf(facts: PlanFacts, wishes: Wishes, length: number): Anchors {
  const anchors: Anchors = Array(length).fill(null);
  const places = (list: readonly { at: number; key: string }[]) => {
    const free = [...list];
    return (key: string): number | null => {
      const found = free.findIndex((place) => place.key === key);
      return found < 0 ? null : ((free.splice(found, 1)[0]?.at ?? null) as number | null);
    };
  };
  const number = places(wishes.numbers.map(({ text, at }) => ({ key: text, at })));
  for (const { index, parts } of facts.calculations) {
    const found = parts
      .filter(isNumber)
      .map(number)
      .filter((at) => at !== null);
    anchors[index] = found.length > 0 ? Math.min(...found) : null;
  }
  const todo = places(wishes.todos.map(({ verb, text, at }) => ({ key: `${verb} ${text}`, at })));
  const results = wishes.resultTodos.flatMap(
    ({ isSeveral, at }) => Array(isSeveral ? length : 1).fill(at) as number[],
  );
  for (const { index, verb, text } of facts.todos) {
    anchors[index] = text === null ? (results.shift() ?? null) : todo(`${verb} ${text}`);
  }
  const list = places(wishes.lists.map(({ status, at }) => ({ key: status, at })));
  for (const { index, status } of facts.lists) anchors[index] = list(status);
  return anchors;
}

/** Whether what the goal puts one after the other stays so in the plan. */
export function orderIssues(wishes: Wishes, facts: PlanFacts, anchors: Anchors): string[] {
  const issues = new Set<string>();
  const expect = (earlier: number, later: number): void => {
    if (facts.before[later]?.has(earlier)) return;
    issues.add(`Step ${idOf(facts, later)} has to wait for step ${idOf(facts, earlier)}.`);
  };
  for (const [earlier, from] of anchors.entries()) {
    for (const [later, to] of anchors.entries()) {
      if (from === null || to === null || from >= to) continue;
      const isApart = wishes.barriers.some((barrier) => barrier > from && barrier < to);
      if (isApart || isReadAndWrite(facts, earlier, later)) expect(earlier, later);
    }
  }
  return [...issues];
}

/** One lists todos and the other changes them, or both change the one todo. */
function isReadAndWrite({ lists, todos }: PlanFacts, a: number, b: number): boolean {
  const isList = (index: number): boolean => lists.some((list) => list.index === index);
  const [first, second] = [a, b].map((index) => todos.find((todo) => todo.index === index));
  if (isList(a) || isList(b)) return (first ?? second) !== undefined;
  if (!first || !second || (first.verb === 'add' && second.verb === 'add')) return false;
  return first.text === null || second.text === null || first.text === second.text;
}

function idOf({ calculations, todos, lists }: PlanFacts, index: number): string {
  return [...calculations, ...todos, ...lists].find((one) => one.index === index)?.step.id ?? String(index);
}
