import type { Degraded } from '../contracts/model';
import { Refusal } from '../contracts/refusal';
import { DATABASE_NOW } from '../db/database-now';
import { beginTry, lockTry, markDegraded, type RunAtWork } from '../db/runs';
import { readCarriedOut } from '../db/steps';
import { append, type NewEvent } from '../events/append';
import { newestOf } from '../events/read';
import type { AnswerRequest } from '../planning/answer-writer';
import { modelOf } from '../planning/model-answer';
import { askFor } from './ask-model';
import { mindsOf, NO_MODEL, type ActivityDeps } from './deps';
import { EventFeed } from './event-feed';
import { standInFor } from './stand-in';
import { storableText } from '../db/storable';
import { TextBatches } from './text-batches';
import type { Surroundings } from './surroundings';
import { completed, type Completed, type PlanRef } from './write-answer';

/** A try of the answer: its number, and the run it is of. */
interface Writing {
  run_id: string;
  run: RunAtWork & AnswerRequest;
  number: number;
}

const pieceOf = (run_id: string) => ({ run_id, name: 'answer' });

/**
 * Has a model write the answer of a run, shows it as it comes, and completes the run with it. A repetition finds the run completed; one
 * that comes before that begins the text anew, with `output.reset`, and from then on nothing of this try is shown or stored. Where no
 * model can be asked, a template stands in.
 * @returns and throws as `writeAnswer`; `budget_exceeded`
 */
export function writeAnswerWithModel(
  deps: ActivityDeps,
  ref: PlanRef,
  around: Surroundings,
): Promise<Completed> {
  const { run_id, plan_version } = ref;
  return completed(deps, run_id, async () => {
    const run = await readCarriedOut(deps.db, run_id, plan_version, around.execution);
    const writing = { run_id, run, number: await begin(deps, run_id, run) };
    const { text, degraded } = await write(deps, ref, writing, around);
    await deps.db.transaction(async (tx) => {
      await lockTry(tx, pieceOf(run_id), writing.number);
      if (degraded !== undefined) await markDegraded(tx, run_id, degraded);
      await append(tx.last, run_id, {
        attempt: run.attempt,
        events: [
          // What was shown so far is not what stands in.
          ...(degraded ? [reset(writing.number, 'degraded')] : []),
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
          finished_at: DATABASE_NOW,
        },
      });
    });
  });
}

async function write(
  deps: ActivityDeps,
  { run_id, plan_version }: PlanRef,
  writing: Writing,
  { execution, cancelled }: Surroundings,
): Promise<{ text: string; degraded?: Degraded }> {
  const { writer, ...models } = mindsOf(deps);
  const stop = new AbortController();
  const { batches, done } = shown(deps, writing, () => stop.abort());
  const place = { run_id, execution, purpose: 'answer', round: plan_version } as const;
  const ask = askFor({ db: deps.db, ...models }, place, AbortSignal.any([cancelled, stop.signal]));
  try {
    const { tier } = writing.run.rules;
    const text = await writer
      .write({ ...writing.run, ...(tier && { tier }) }, ask, (piece) => batches.add(piece))
      .finally(done);
    return { text: storableText(text) };
  } catch (error) {
    const degraded = standInFor('answer', error);
    return { text: storableText(await deps.writer.write(writing.run, NO_MODEL, () => undefined)), degraded };
  }
}

/** Shows the text of a try as it comes. `done` shows the rest of it, and throws what kept it from being shown. */
function shown(
  { db }: ActivityDeps,
  { run_id, run, number }: Writing,
  stop: () => void,
): { batches: TextBatches; done: () => Promise<void> } {
  const tell = (events: NewEvent[]) =>
    db.transaction(async (tx) => {
      await lockTry(tx, pieceOf(run_id), number);
      await append(tx.last, run_id, { attempt: run.attempt, events });
    });
  const feed = new EventFeed(tell, stop);
  let deltas = 0;
  const batches = new TextBatches((batch) => {
    deltas += 1;
    const key = `answer:delta:${number}:${deltas}`;
    feed.add({ key, type: 'generation.delta', data: { text: storableText(batch), attempt: number } });
  });
  const done = async () => {
    batches.flush();
    await feed.done();
  };
  return { batches, done };
}

/**
 * Says that the answer is being written; a later try, that what was shown of it, if anything, is void.
 * @returns the number of the try
 * @throws Refusal `run_cancelling`: an answer that nobody waits for is not bought.
 */
function begin(deps: ActivityDeps, run_id: string, { attempt, rules: { tier } }: RunAtWork): Promise<number> {
  return deps.db.transaction(async (tx) => {
    // In this order: it waits for what an earlier try is about to commit, and then sees it.
    const [{ number, status }, newest] = await Promise.all([
      beginTry(tx, pieceOf(run_id)),
      newestOf(tx, run_id, attempt, ['generation.delta', 'output.reset']),
    ]);
    if (status === 'cancelling') throw new Refusal('run_cancelling', 'The run is being cancelled.');
    await append(tx.last, run_id, {
      attempt,
      events: [
        {
          key: 'phase:answering',
          type: 'run.status',
          data: { status: 'running', phase: 'answering', previous: status },
        },
        {
          key: 'answer:started',
          type: 'generation.started',
          data: { model: tier ? modelOf(tier) : mindsOf(deps).writer.model },
        },
        ...(newest === 'generation.delta' ? [reset(number, 'again')] : []),
      ],
      change: { phase: 'answering' },
    });
    return number;
  });
}

function reset(number: number, why: string): NewEvent {
  return { key: `answer:reset:${number}:${why}`, type: 'output.reset', data: { attempt: number } };
}
