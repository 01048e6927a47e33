import type { Degraded } from '../contracts/model';
import type { Step } from '../contracts/plan';
import { Verdict } from '../contracts/verdict';
import type { Decision } from '../db/plans';
import type { RunAtWork } from '../db/runs';
import type { NewEvent, RunChange } from '../events/append';
import type { Ask } from '../llm/ask';
import type { Judge } from '../planning/judge';
import type { Registry } from '../tools/registry';
import { isStorable } from '../db/storable';

/** What stands in for an answer that cannot be read: closed on doubt. */
const UNREADABLE: Verdict = {
  is_valid: false,
  confidence: 0,
  issues: ['The answer of the judge could not be read.'],
  suggestions: [],
};

/** A round as it is judged. */
export interface Judgeable {
  run: Pick<RunAtWork, 'goal' | 'rules'>;
  round: number;
  steps: Step[];
}

/** Asks the judge; whatever cannot be read is a rejection. @throws what asking a model throws. */
export async function decide(
  judge: Judge,
  tools: Registry,
  { run, round, steps }: Judgeable,
  ask: Ask,
): Promise<Decision> {
  const said = await judge.judge({ goal: run.goal, steps, tools: tools.cards() }, ask);
  const parsed = Verdict.safeParse(said);
  const verdict = parsed.success && isStorable(parsed.data) ? parsed.data : UNREADABLE;
  return decisionOn(verdict, judge.name, run.rules, round);
}

/** Accepted means valid and above the threshold of the run; or the last of its rounds, where it is to go on all the same. */
export function decisionOn(
  verdict: Verdict,
  judged_by: string,
  { judge_threshold, on_exhausted, max_replans }: RunAtWork['rules'],
  round: number,
): Decision {
  if (verdict.is_valid && verdict.confidence > judge_threshold) return { verdict, judged_by, accepted: true };
  const exhausted = on_exhausted === 'run' && round > max_replans;
  return exhausted
    ? { verdict, judged_by, accepted: true, exhausted }
    : { verdict, judged_by, accepted: false };
}

/** The fact that a plan is looked at. Who takes its time tells it before; the decision tells it too, where that did not. */
export function judgeStarted(round: number): NewEvent {
  return { key: `judge:${round}:started`, type: 'judge.started', data: { plan_version: round } };
}

/** The facts of a decision, and the run's row with them. */
export function verdictFacts(
  round: number,
  { rules, status }: Pick<RunAtWork, 'rules' | 'status'>,
  { verdict, accepted, exhausted }: Decision,
  degraded?: Degraded,
): { events: NewEvent[]; change: RunChange } {
  const events: NewEvent[] = [
    judgeStarted(round),
    {
      key: `judge:${round}:verdict`,
      type: 'judge.verdict',
      data: {
        ...verdict,
        plan_version: round,
        accepted,
        threshold: rules.judge_threshold,
        ...(exhausted && { exhausted }),
        ...(degraded && { degraded }),
      },
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
