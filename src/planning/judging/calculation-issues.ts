import type { Condition } from '../../contracts/condition';
import { missingFrom } from './counted';
import { plainNumber, type GoalItem } from './goal-items';
import type { Wishes } from './goal-wishes';
import { groupIssues } from './group-issues';
import { isNumber, usedBy, type Calculation, type PlanFacts } from './plan-facts';
import { NOT } from './words';

type Comparison = Extract<Condition, { ref: string }>;

/** Whether the calculations and conditions of a plan are those of the goal. */
export function calculationIssues(items: readonly GoalItem[], wishes: Wishes, facts: PlanFacts): string[] {
  return [
    ...numberIssues(wishes, facts),
    ...signIssues(wishes, facts),
    ...facts.calculations.flatMap((calculation) => pairIssues(calculation, items, wishes)),
    ...groupIssues(items, facts),
    ...resultIssues(wishes, facts),
    ...conditionIssues(wishes, facts),
  ];
}

function numberIssues(wishes: Wishes, facts: PlanFacts): string[] {
  const compared = new Set(
    comparisons(facts).map(({ ref, value }) => `${ref} ${plainNumber(String(value).replace('-', ''))}`),
  );
  const there = [
    ...facts.calculations.flatMap(({ parts }) => parts.filter(isNumber)),
    ...[...compared].map((key) => key.split(' ')[1] as string),
  ];
  const wanted = wishes.numbers.map(({ text }) => text);
  const extra = missingFrom(there, [...wanted, ...wishes.implied]);
  return [
    ...missingFrom(wanted, there).map((number) => `The number ${number} of the goal is in no step.`),
    ...extra.map((number) => `The number ${number} of the plan is not in the goal.`),
  ];
}

/** The same signs on both sides. "the sum of" several numbers is one word for several signs, so only kinds are compared. */
function signIssues(wishes: Wishes, facts: PlanFacts): string[] {
  const parts = facts.calculations.flatMap((calculation) => calculation.parts);
  const there = new Set(parts.filter((part) => /^[-+*/%^!]$/.test(part)));
  // A sign before a number is read as minus on both sides.
  const wanted = new Set(wishes.signs.map(({ sign }) => sign));
  if (wishes.conditions.some(({ value }) => value?.startsWith('-')) && !there.has('-')) wanted.delete('-');
  const functions = parts.filter((part) => /^[a-z]/i.test(part));
  return [
    ...[...wanted].filter((sign) => !there.has(sign)).map((sign) => `No step calculates with ${sign}.`),
    ...[...there]
      .filter((sign) => !wanted.has(sign))
      .map((sign) => `The goal does not calculate with ${sign}.`),
    ...missingFrom(wishes.functions, functions).map((name) => `No step calculates ${name}.`),
    ...missingFrom(functions, wishes.functions).map((name) => `The goal does not ask for ${name}.`),
  ];
}

/** Numbers that stand together in the plan stand together in the goal, in the same order and with the same sign. */
function pairIssues({ step, parts }: Calculation, items: readonly GoalItem[], wishes: Wishes): string[] {
  const issues: string[] = [];
  const flat = parts.filter((part) => part !== '(' && part !== ')');
  for (const [at, sign] of flat.entries()) {
    const [left, right] = [flat[at - 1], flat[at + 1]];
    if (!/^[-+*/%^]$/.test(sign) || !isNumber(left) || !isNumber(right)) continue;
    if (wishes.implied.includes(left as string) || wishes.implied.includes(right as string)) continue;
    if (!isInGoal(left as string, sign, right as string, items, wishes)) {
      issues.push(`Step ${step.id} calculates ${left} ${sign} ${right}, which the goal does not.`);
    }
  }
  return issues;
}

function isInGoal(
  left: string,
  sign: string,
  right: string,
  items: readonly GoalItem[],
  wishes: Wishes,
): boolean {
  const { numbers, signs } = wishes;
  return numbers.some(({ text, at }, index) => {
    const next = numbers[index + 1];
    if (!next) return false;
    const isTurned = items.slice(at, next.at).some((item) => item.text === 'from');
    const isSame = isTurned ? text === right && next.text === left : text === left && next.text === right;
    const isSwapped = '+*'.includes(sign) && text === right && next.text === left;
    if (!isSame && !isSwapped) return false;
    const between = signs.filter((one) => one.at > at && one.at < next.at);
    const before = signs.filter((one) => one.at < at).at(-1);
    return between.length > 0 ? between.some((one) => one.sign === sign) : before?.sign === sign;
  });
}

/** Results that the goal goes on with are used, and no others are. */
function resultIssues({ resultUses, conditions }: Wishes, { calculations }: PlanFacts): string[] {
  const using = calculations.filter(({ step }) => usedBy(step).length > 0);
  // "if the result is greater than 5" uses a result without calculating with it.
  const wanted = resultUses.filter(
    (at) => !conditions.some((condition) => at > condition.at && at <= condition.at + 2),
  );
  const seen = new Set<string>();
  const doubled = using.filter(({ expression }) => seen.size === seen.add(expression).size);
  return [
    ...(wanted.length > 0 && using.length === 0
      ? ['The goal goes on with a result that no calculation uses.']
      : []),
    ...(wanted.length < using.length && !isChained(wanted.length, using)
      ? ['A calculation uses a result where the goal does not.']
      : []),
    ...doubled.map(({ step }) => `Step ${step.id} calculates once more what another step does.`),
  ];
}

/** "then add 5": goes on with the result without naming it. One such step for each word of a number with one sign. */
function isChained(wanted: number, using: readonly Calculation[]): boolean {
  const implied = using.filter(
    ({ parts }) =>
      parts.filter(isNumber).length === 1 && parts.filter((part) => part.startsWith('{')).length === 1,
  );
  return using.length - implied.length <= wanted;
}

function conditionIssues({ conditions, sentenceEnds }: Wishes, facts: PlanFacts): string[] {
  const steps = [...facts.calculations, ...facts.todos, ...facts.lists].map(({ step }) => step);
  const guarded = steps.filter(({ when }) => when !== undefined);
  if (conditions.length === 0)
    return guarded.length > 0 ? ['The plan has a condition and the goal has none.'] : [];
  const distinct = new Set(comparisons(facts).map(({ ref, op, value }) => `${ref} ${op} ${value}`));
  const there = [...distinct].map((key) => key.split(' ').slice(1).join(' '));
  const wanted = conditions.flatMap(({ op, value, hasElse }) => {
    const plain =
      value === null
        ? 'nothing'
        : `${value.startsWith('-') ? '-' : ''}${plainNumber(value.replace('-', ''))}`;
    return hasElse ? [`${op} ${plain}`, `${NOT[op]} ${plain}`] : [`${op} ${plain}`];
  });
  const isOpen = guarded.some(({ when }) => when !== undefined && !('ref' in when));
  const hasOther = sentenceEnds.length === 0 && guarded.length < steps.length - facts.calculations.length;
  return [
    ...(isOpen ? ['A condition of the plan is not one comparison.'] : []),
    ...(hasOther ? ['A step does not keep to the condition of the goal.'] : []),
    ...missingFrom(wanted, there).map((condition) => `No step has the condition "${condition}".`),
    ...missingFrom(there, wanted).map((condition) => `The goal does not have the condition "${condition}".`),
  ];
}

function comparisons(facts: PlanFacts): Comparison[] {
  return [...facts.calculations, ...facts.todos, ...facts.lists].flatMap(({ step: { when } }) =>
    when !== undefined && 'ref' in when ? [when] : [],
  );
}
