import type { Step } from '../contracts/plan';
import { Verdict } from '../contracts/verdict';
import type { Decision } from '../db/plans';
import type { RunAtWork } from '../db/runs';
import type { NewEvent, RunChange } from '../events/append';
import type { ActivityDeps } from './deps';
import { isStorable } from './storable';

/** What stands in for an answer that cannot be read: closed on doubt. */
const UNREADABLE: Verdict = {
  is_valid: false,
  confidence: 0,
  issues: ['The answer of the judge could not be read.'],
  suggestions: [],
};

/** Asks the judge. Accepted means valid and above the threshold of the run; whatever cannot be read is a rejection. */
export async function decide(
  { judge, tools }: ActivityDeps,
  { goal, rules }: RunAtWork,
  steps: Step[],
): Promise<Decision> {
  const parsed = Verdict.safeParse(await judge.judge({ goal, steps, tools: tools.cards() }));
  const verdict = parsed.success && isStorable(parsed.data) ? parsed.data : UNREADABLE;
  const accepted = verdict.is_valid && verdict.confidence > rules.judge_threshold;
  return { verdict, accepted, judged_by: judge.name };
}

/** The facts of a decision, and the run's row with them. */
export function verdictFacts(
  round: number,
  { rules, status }: Pick<RunAtWork, 'rules' | 'status'>,
  { verdict, accepted }: Decision,
): { events: NewEvent[]; change: RunChange } {
  const events: NewEvent[] = [
    { key: `judge:${round}:started`, type: 'judge.started', data: { plan_version: round } },
    {
      key: `judge:${round}:verdict`,
      type: 'judge.verdict',
      data: { ...verdict, plan_version: round, accepted, threshold: rules.judge_threshold },
    },
  ];
  if (!accepted) return { events, change: {} };
  // Where the plan alone is asked for, nothing is executed that could be told of.
  if (status === 'cancelling' || rules.mode === 'plan_only')
    return { events, change: { plan_version: round } };
  const executing = { status: 'running', phase: 'executing' } as const;
  events.push({ key: 'phase:executing', type: 'run.status', data: { ...executing, previous: status } });
  return { events, change: { phase: 'executing', plan_version: round } };
}
