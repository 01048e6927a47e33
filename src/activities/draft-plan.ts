import type { DraftedAtOnce } from '../contracts/round';
import { readRounds } from '../db/plans';
import type { PlanRequest } from '../planning/planner';
import { NO_MODEL, type ActivityDeps } from './deps';
import {
  concludeRound,
  storedRound,
  told,
  type Planned,
  type Proposal,
  type RoundRef,
} from './round-outcome';
import { storableText } from '../db/storable';

/**
 * Takes the given plan of a round, or drafts one without a model, checks it, has it judged at once where the judge is instant, and stores
 * the outcome. A repetition returns what is stored. What only a model can plan is left to one, where there are models.
 * @throws Refusal `goal_not_understood`, `invalid_plan` (a given plan that does not pass here), `run_over`.
 */
export async function draftPlan(
  deps: ActivityDeps,
  ref: RoundRef,
  execution: string,
): Promise<DraftedAtOnce> {
  const run = await readRounds(deps.db, ref.run_id, execution);
  const stored = storedRound(run, ref);
  if (stored !== undefined) return told(deps, run, stored);
  const proposal = await propose(deps, run);
  if (proposal === null) return { status: 'needs_model', wish: null };
  return concludeRound(deps, ref, run, proposal, execution);
}

/** @returns null where a model is to plan: patterns do not understand the goal, or their plan was rejected before. */
async function propose(deps: ActivityDeps, run: Planned): Promise<Proposal | null> {
  if (run.given_plan !== null) return { source: 'given', drafted: run.given_plan };
  if (deps.minds !== null && run.rounds.length > 0) return null;
  const draft = await deps.planner.draft(requestOf(deps, run), ALONE);
  const { source } = deps.planner;
  if (draft.kind === 'plan') return { source, drafted: draft };
  return deps.minds !== null ? null : { source, drafted: { not_understood: storableText(draft.detail) } };
}

/** What a planner is asked in the next round of a run. */
export function requestOf({ tools }: ActivityDeps, { goal, rules, rounds }: Planned): PlanRequest {
  return {
    goal,
    tools: tools.cards(),
    max_steps: rules.max_steps,
    feedback: rounds.map(({ steps, findings, verdict }) => ({
      steps,
      findings,
      ...(verdict === null ? {} : { verdict }),
    })),
  };
}

/** Who plans at once shows nothing in between. */
const ALONE = { ask: NO_MODEL, onStep: () => undefined, onReset: () => undefined };
