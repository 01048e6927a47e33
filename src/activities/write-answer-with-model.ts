import type { Degraded } from '../contracts/model';
import { lockRun, markDegraded, type RunAtWork } from '../db/runs';
import { readCarriedOut } from '../db/steps';
import { append, type NewEvent } from '../events/append';
import { newestOf } from '../events/read';
import type { AnswerRequest } from '../planning/answer-writer';
import { askFor } from './ask-model';
import { mindsOf, NO_MODEL, type ActivityDeps } from './deps';
import type { Try } from './draft-plan-with-model';
import { EventFeed } from './event-feed';
import { standInFor } from './stand-in';
import { storableText } from './storable';
import { TextBatches } from './text-batches';
import { completed, type Completed, type PlanRef } from './write-answer';

/**
 * Has a model write the answer of a run, shows it as it comes, and completes the run with it. A repetition finds the run completed; one
 * that comes before that begins the text anew, with `output.reset`. Where no model can be asked, a template stands in.
 * @returns and throws as `writeAnswer`; `budget_exceeded`
 */
export function writeAnswerWithModel(deps: ActivityDeps, ref: PlanRef, around: Try): Promise<Completed> {
  return completed(deps, ref.run_id, async () => {
    const run = await readCarriedOut(deps.db, ref.run_id, ref.plan_version);
    const { text, degraded } = await write(deps, ref, run, around);
    await deps.db.transaction(async (tx) => {
      if (degraded !== undefined) await markDegraded(tx, ref.run_id, degraded);
      await append(tx, ref.run_id, {
        attempt: run.attempt,
        events: [
          // What was shown so far is not what stands in.
          ...(degraded ? [reset(around, 'degraded')] : []),
          {
            key: 'answer:written',
            type: 'generation.completed',
            data: { text, ...(degraded && { degraded }) },
          },
          { key: 'ended', type: 'run.completed', data: { answer: text } },
        ],
        change: {
          status: 'completed',
          phase: null,
          answer: text,
          finished_at: new Date().toISOString(),
        },
      });
    });
  });
}

async function write(
  deps: ActivityDeps,
  { run_id, plan_version }: PlanRef,
  run: RunAtWork & AnswerRequest,
  around: Try,
): Promise<{ text: string; degraded?: Degraded }> {
  const { writer, ...models } = mindsOf(deps);
  const stop = new AbortController();
  const append_ = async (events: NewEvent[]) => {
    await append(deps.db, run_id, { attempt: run.attempt, events });
  };
  const feed = new EventFeed(append_, () => stop.abort());
  let deltas = 0;
  const batches = new TextBatches((batch) => {
    deltas += 1;
    const key = `answer:delta:${around.attempt}:${deltas}`;
    const data = { text: storableText(batch), attempt: around.attempt };
    feed.add({ key, type: 'generation.delta', data });
  });
  await begin(deps, run_id, run.attempt, writer.model, around);
  const place = { run_id, purpose: 'answer', round: plan_version } as const;
  const signal = AbortSignal.any([around.cancelled, stop.signal]);
  try {
    const ask = askFor({ db: deps.db, ...models }, place, signal);
    const text = await writer
      .write(run, ask, (piece) => batches.add(piece))
      .finally(async () => {
        batches.flush();
        await feed.done();
      });
    return { text: storableText(text) };
  } catch (error) {
    const degraded = standInFor('answer', error);
    return { text: storableText(await deps.writer.write(run, NO_MODEL, () => undefined)), degraded };
  }
}

/** Says that the answer is being written; a later try, that what was shown of it, if anything, is void. A wish may have come since the run was read. */
async function begin(
  { db }: ActivityDeps,
  run_id: string,
  attempt: number,
  model: string,
  around: Try,
): Promise<void> {
  await db.transaction(async (tx) => {
    const previous = await lockRun(tx, run_id);
    const newest = await newestOf(tx, run_id, attempt, ['generation.delta', 'output.reset']);
    const answering = { status: 'running', phase: 'answering' } as const;
    const entered: NewEvent = {
      key: 'phase:answering',
      type: 'run.status',
      data: { ...answering, previous },
    };
    await append(tx, run_id, {
      attempt,
      events: [
        ...(previous === 'cancelling' ? [] : [entered]),
        { key: 'answer:started', type: 'generation.started', data: { model } },
        ...(newest === 'generation.delta' ? [reset(around, 'again')] : []),
      ],
      change: previous === 'cancelling' ? {} : { phase: 'answering' },
    });
  });
}

function reset({ attempt }: Try, why: string): NewEvent {
  return { key: `answer:reset:${attempt}:${why}`, type: 'output.reset', data: { attempt } };
}
