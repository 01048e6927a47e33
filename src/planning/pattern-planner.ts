import type { Step } from '../contracts/plan';
import { readGoal } from './pattern/goal-reader';
import { PlanBuilder } from './pattern/plan-builder';
import { NotUnderstood } from './pattern/refusal';
import type { Draft, Planner, PlanRequest } from './planner';

/** How much of the goal a refusal quotes, characters. */
const QUOTED = 60;

const CAN =
  'It calculates ("calculate 19 * 3 + 5"), keeps a todo list ("add \'buy milk\' to my todo list", "complete \'buy milk\'", ' +
  '"show my open todos"), uses results ("then add the result as a todo") and conditions ("if 19 * 3 is greater than 50, …").';

/**
 * Plans goals in plain English by a fixed grammar, without a model: the same goal always gives the same plan, so feedback
 * changes nothing. A goal of which any word stays unread is refused.
 */
export function createPatternPlanner() {
  return {
    source: 'pattern',
    draft: async ({ goal, tools }: PlanRequest) => draftPlan(goal, new Set(tools.map(({ name }) => name))),
  } satisfies Planner;
}

function draftPlan(goal: string, tools: ReadonlySet<string>): Draft {
  let steps: Step[];
  try {
    steps = new PlanBuilder().build(readGoal(goal));
  } catch (error) {
    if (!(error instanceof NotUnderstood)) throw error;
    return {
      kind: 'not_understood',
      detail: `Not understood: ${quote(goal, error.at)} (${error.why}). ${CAN}`,
    };
  }
  const missing = steps.find(({ tool }) => !tools.has(tool));
  if (!missing) return { kind: 'plan', steps };
  return { kind: 'not_understood', detail: `The goal needs the tool ${missing.tool}, which is not there.` };
}

function quote(goal: string, at: number): string {
  const rest = [...goal.slice(at, at + 2 * QUOTED).trim()];
  if (rest.length === 0) return goal.trim() === '' ? 'the empty goal' : 'the end of the goal';
  return `"${rest.length > QUOTED ? `${rest.slice(0, QUOTED).join('')}…` : rest.join('')}"`;
}
