import { Refusal } from '../contracts/refusal';
import type { RunStatus } from '../contracts/run-status';
import type { WishKind } from '../contracts/step-result';
import { DATABASE_NOW } from '../db/database-now';
import { readCarriedOut } from '../db/steps';
import { append } from '../events/append';
import { NO_MODEL, type ActivityDeps } from './deps';
import { storableText } from '../db/storable';

/**
 * Writes the answer of a run and completes the run with it, in one transaction. A repetition finds the run completed.
 * @returns the wish that kept the run from being completed, or null when it is completed.
 * @throws Refusal `run_over` when the run ended otherwise.
 */
export function writeAnswer(deps: ActivityDeps, ref: PlanRef, execution: string): Promise<Completed> {
  return completed(deps, ref.run_id, () => answerAndComplete(deps, ref, execution));
}

/** A run, and the plan it was agreed on. */
export interface PlanRef {
  run_id: string;
  plan_version: number;
}

export interface Completed {
  wish: WishKind | null;
}

/** What keeps a run from being completed, as its workflow is told. */
export async function completed(
  deps: ActivityDeps,
  run_id: string,
  complete: () => Promise<void>,
): Promise<Completed> {
  try {
    await complete();
    return { wish: null };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.code === 'run_cancelling') return { wish: 'cancel' };
    if (error.code === 'run_over' && (await statusOf(deps, run_id)) === 'completed') return { wish: null };
    throw error;
  }
}

async function answerAndComplete(
  deps: ActivityDeps,
  { run_id, plan_version }: PlanRef,
  execution: string,
): Promise<void> {
  const { goal, steps, attempt } = await readCarriedOut(deps.db, run_id, plan_version, execution);
  const answer = storableText(await deps.writer.write({ goal, steps }, NO_MODEL, () => undefined));
  await append(deps.db, run_id, {
    attempt,
    events: [
      { key: 'answer:started', type: 'generation.started', data: { model: deps.writer.model } },
      { key: 'answer:written', type: 'generation.completed', data: { text: answer } },
      { key: 'ended', type: 'run.completed', data: { answer } },
    ],
    change: { status: 'completed', phase: null, answer, finished_at: DATABASE_NOW },
  });
}

async function statusOf(deps: ActivityDeps, run_id: string): Promise<RunStatus | undefined> {
  const [run] = await deps.db.query<{ status: RunStatus }>('select status from runs where id = $1', [run_id]);
  return run?.status;
}
