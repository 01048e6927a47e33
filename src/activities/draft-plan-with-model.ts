import type { Drafted } from '../contracts/round';
import type { Step } from '../contracts/plan';
import { readRounds } from '../db/plans';
import { beginTry, lockTry, type Piece } from '../db/runs';
import type { Tx } from '../db/tx';
import { append, type Appended, type NewEvent } from '../events/append';
import { newestOf } from '../events/read';
import { askFor, withReadable } from './ask-model';
import { mindsOf, type ActivityDeps } from './deps';
import { requestOf } from './draft-plan';
import { EventFeed } from './event-feed';
import { begun, concludeRound, storedRound, told, type Planned, type RoundRef } from './round-outcome';
import { isStorable, storableText } from '../db/storable';
import type { Surroundings } from './surroundings';

/**
 * Has a model draft the plan of a round, shows its steps as they come, checks the plan and stores the outcome. A repetition returns what
 * is stored; one that comes before that shows the steps anew. Once another try has begun, nothing of this one is shown or stored.
 * @throws Refusal as `draftPlan`, and what asking a model throws: `provider_unavailable`, `budget_exceeded`, `reply_unreadable` …
 */
export async function draftPlanWithModel(
  deps: ActivityDeps,
  ref: RoundRef,
  around: Surroundings,
): Promise<Drafted> {
  const { execution, cancelled } = around;
  const run = await readRounds(deps.db, ref.run_id, execution);
  const stored = storedRound(run, ref);
  if (stored !== undefined) return told(deps, run, stored);

  const { planner, ...models } = mindsOf(deps);
  const stop = new AbortController();
  const drafts = new Drafts(deps, ref, run, () => stop.abort());
  const { wish } = await drafts.start(execution);
  if (wish !== null) return { status: 'rejected', wish };
  const signal = AbortSignal.any([cancelled, stop.signal]);
  const place = { ...ref, execution, purpose: 'plan' } as const;
  const draft = await withReadable(deps.db, place, () =>
    planner.draft(requestOf(deps, run), {
      ask: askFor({ db: deps.db, ...models }, place, signal),
      onStep: (step) => drafts.show(step),
      onReset: () => drafts.reset(),
    }),
  ).finally(() => drafts.done());
  const drafted = draft.kind === 'plan' ? draft : { not_understood: storableText(draft.detail) };
  const proposal = { source: planner.source, drafted };
  return concludeRound(deps, ref, run, proposal, execution, (tx) => drafts.lock(tx));
}

/** What is told of a draft, from its beginning to its end. */
const DRAFTING = ['plan.started', 'plan.step_drafted', 'plan.created', 'plan.rejected'] as const;

/** The steps of a plan that is being drafted, as its readers see them. `plan.started` says each time that what was shown is void. */
class Drafts {
  private readonly feed: EventFeed;
  private readonly piece: Piece;
  /** Number of this try. */
  private number = 0;
  private redraws = 0;
  private shown = 0;

  constructor(
    private readonly deps: ActivityDeps,
    private readonly ref: RoundRef,
    private readonly run: Planned,
    stop: () => void,
  ) {
    this.piece = { run_id: ref.run_id, name: `plan:${ref.round}` };
    const write = (events: NewEvent[]) =>
      deps.db.transaction(async (tx) => {
        await this.lock(tx);
        await append(tx.last, ref.run_id, { attempt: run.attempt, events });
      });
    this.feed = new EventFeed(write, stop);
  }

  /** @returns the open wish of the run: then nobody needs to be asked any more. */
  start(execution: string): Promise<Appended> {
    const { run_id, round } = this.ref;
    return this.deps.db.transaction(async (tx) => {
      // In this order: it waits for what an earlier try is about to commit, and then sees it.
      const [{ number, status }, newest] = await Promise.all([
        beginTry(tx, this.piece),
        newestOf(tx, run_id, this.run.attempt, DRAFTING),
      ]);
      this.number = number;
      const { events, change } = begun({ ...this.run, status });
      return append(tx.last, run_id, {
        attempt: this.run.attempt,
        // A try that waited in vain for its turn has shown nothing that would have to be void.
        events: [...events, ...(newest === 'plan.started' ? [] : [this.started()])],
        change: { ...change, rounds: round, execution },
      });
    });
  }

  /** @returns the status of the run, whose row is locked. @throws Refusal `superseded` */
  lock(tx: Tx): ReturnType<typeof lockTry> {
    return lockTry(tx, this.piece, this.number);
  }

  show(step: Step): void {
    if (!isStorable(step)) return; // the plan check says so
    this.shown += 1;
    const { round } = this.ref;
    const key = `plan:${round}:step:${this.number}:${this.redraws}:${this.shown}`;
    this.feed.add({ key, type: 'plan.step_drafted', data: { round, step } });
  }

  reset(): void {
    this.redraws += 1;
    this.shown = 0;
    this.feed.add(this.started());
  }

  done(): Promise<void> {
    return this.feed.done();
  }

  private started(): NewEvent {
    const { round } = this.ref;
    const key = `plan:${round}:started:${this.number}:${this.redraws}`;
    return { key, type: 'plan.started', data: { round, source: mindsOf(this.deps).planner.source } };
  }
}
