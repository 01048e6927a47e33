import type { Step } from '../contracts/plan';
import type { Verdict } from '../contracts/verdict';
import type { Judge, JudgeRequest } from './judge';
import { calculationIssues } from './judging/calculation-issues';
import { missingFrom } from './judging/counted';
import { readItems } from './judging/goal-items';
import { readWishes, type Wishes } from './judging/goal-wishes';
import { anchorsOf, orderIssues } from './judging/order-issues';
import { readPlan } from './judging/plan-facts';
import { todoIssues } from './judging/todo-issues';

/** Confidence in a plan that covers everything; words have meanings that no list of them knows. */
const SURE = 0.95;
/** What each issue leaves of it. */
const LEFT_PER_ISSUE = 0.5;
/** Longest goal that is judged, words and numbers: some rules compare each with each. */
const MAX_PIECES = 1_000;
const MAX_ISSUES = 50;
const MAX_ISSUE_CHARS = 300;

/** Todo texts without quotes may hold none of these: they could be another request that the text swallows. */
const NO_TEXT =
  /[,;:.!?*+/^=<>()]|\b(?:and|then|if|unless|todos?|to-?dos?|list|results?|them|both|all|it)\b/i;

/**
 * Judges a plan by rules, without a model: reads the goal for itself (numbers, quoted texts, verbs, conditions, order), and
 * takes a plan that covers all of it and holds nothing else. What it cannot read it rejects.
 */
export function createRuleJudge() {
  return {
    name: 'rules',
    instant: true,
    judge: async ({ goal, steps }: JudgeRequest) => verdictOn(goal, steps),
  } satisfies Judge;
}

function verdictOn(goal: string, steps: readonly Step[]): Verdict {
  if (steps.length === 0) return verdict(['The plan has no steps.']);
  const facts = readPlan(steps);
  const plainTexts = facts.todos.flatMap(({ text }) => (text === null || NO_TEXT.test(text) ? [] : [text]));
  const quoted = readItems(goal, []);
  if (quoted === null) return verdict(['The goal has a quote that is not closed.']);
  if (quoted.length > MAX_PIECES) return verdict([`The goal has more than ${MAX_PIECES} words and numbers.`]);
  const quotes = quoted.flatMap(({ kind, text }) => (kind === 'quote' ? [text] : []));
  const items = readItems(goal, missingFrom(plainTexts, quotes)) ?? [];
  const wishes = readWishes(items);
  const anchors = anchorsOf(facts, wishes, steps.length);
  return verdict([
    ...unreadIssues(wishes),
    ...facts.strange.map(({ id, tool }) => `Step ${id} (${tool}) does nothing that the goal asks for.`),
    ...calculationIssues(items, wishes, facts),
    ...todoIssues(wishes, facts),
    ...orderIssues(wishes, facts, anchors),
  ]);
}

function unreadIssues({ unknown }: Wishes): string[] {
  return [...new Set(unknown)].map((word) => `No step is known to cover "${word}" of the goal.`);
}

function verdict(found: readonly string[]): Verdict {
  const issues = found.slice(0, MAX_ISSUES).map((issue) => [...issue].slice(0, MAX_ISSUE_CHARS).join(''));
  return {
    is_valid: issues.length === 0,
    confidence: SURE * LEFT_PER_ISSUE ** issues.length,
    issues,
    suggestions:
      issues.length === 0
        ? []
        : ['Cover every number, quoted text and verb of the goal by one step, and nothing else.'],
  };
}
