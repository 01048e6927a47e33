import type { DraftedAtOnce } from '../contracts/round';
import type { WishKind } from '../contracts/step-result';
import { readRounds } from '../db/plans';
import { lockRun } from '../db/runs';
import { append } from '../events/append';
import type { PlanRequest } from '../planning/planner';
import { NO_MODEL, type ActivityDeps } from './deps';
import {
  begun,
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
 * the outcome. A repetition returns what is stored, and so does the first look at a run that was stored with a plan, which says that it has
 * begun. What only a model can plan is left to one, where there are models.
 * @throws Refusal `goal_not_understood`, `invalid_plan` (a given plan that does not pass here), `run_over`.
 */
export async function draftPlan(
  deps: ActivityDeps,
  ref: RoundRef,
  execution: string,
): Promise<DraftedAtOnce> {
  const run = await readRounds(deps.db, ref.run_id, execution);
  const stored = storedRound(run, ref);
  if (stored !== undefined) return told(deps, run, stored, await beginWith(deps, ref, run, execution));
  const proposal = await propose(deps, run);
  if (proposal === null) return { status: 'needs_model', wish: null };
  return concludeRound(deps, ref, run, proposal, execution);
}

/** Says that a run has begun that was stored with its plan. @returns the open wish of the run */
async function beginWith(
  { db }: ActivityDeps,
  { run_id }: RoundRef,
  run: Planned,
  execution: string,
): Promise<WishKind | null> {
  if (run.status !== 'queued') return null;
  return db.transaction(async (tx) => {
    // It may have been cancelled since it was read, or another worker may have begun it.
    const status = await lockRun(tx, run_id);
    const phase = run.rules.mode === 'plan_only' ? 'planning' : 'executing';
    const { events, change } = begun({ ...run, status }, phase);
    const { wish } = await append(tx.last, run_id, {
      attempt: run.attempt,
      events,
      change: { ...change, execution },
    });
    return wish;
  });
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
    ...(rules.tier && { tier: rules.tier }),
    feedback: rounds.map(({ steps, findings, verdict }) => ({
      steps,
      findings,
      ...(verdict === null ? {} : { verdict }),
    })),
  };
}

/** Who plans at once shows nothing in between. */
const ALONE = { ask: NO_MODEL, onStep: () => undefined, onReset: () => undefined };
