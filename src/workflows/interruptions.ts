import { CancelledFailure, HandlerUnfinishedPolicy } from '@temporalio/common';
import {
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  patched,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { Ending } from '../contracts/ending';
import type { WishKind, Wishes } from '../contracts/step-result';
import { Ended } from './failures';
import { LOOK, MAX_WAIT_S, type RunInput } from './messages';
import { readWishes } from './proxies';
import { shielded } from './shielded';

/** What may end a run from outside, or hold it up: a wish, its deadline, a question that a person has not answered. */
export interface Interruptions {
  /** Holds what is told to stop when the story is interrupted: slow steps and pauses. */
  stoppable: CancellationScope;
  /** Runs the story until it ends or is interrupted. @throws Ended when it was interrupted. */
  guard(story: () => Promise<void>): Promise<void>;
  /** Instant work that is under way when the story ends: the workflow may not close before it. */
  left: Promise<unknown>[];
  /** Notices the wish that every activity brings along, so that a chain of instant work stops too. @throws Ended */
  heed<T extends { wish: WishKind | null }>(result: T): T;
  /** Waits until a step waits for no answer any more. What it waits does not count for the deadline. @throws what `heed` does */
  answered(step_id: string): Promise<void>;
}

/**
 * Listens for the signal `look` and for the deadline. Called before the first await, so that no signal finds nobody.
 * The story itself is never cancelled: instant work has ended before it could be told, and two local activities may end in one
 * activation, where a cancellation that the first one causes meets a second one that has ended already, which fails the workflow task and
 * every repetition of it. Its results are where an interrupted story ends, and what is slow is told to stop.
 */
export function listen({ run_id, rules, deadline_at_ms }: RunInput): Interruptions {
  const stoppable = new CancellationScope();
  let cause: Ended | undefined;
  let known: Wishes | undefined;
  const waits = new Waits();

  function interrupt(ending: Ending): Ended {
    cause ??= new Ended(ending);
    stoppable.cancel();
    return cause;
  }

  function heed<T extends { wish: WishKind | null }>(result: T): T {
    if (result.wish !== null) interrupt({ status: 'cancelled', by: 'wish' });
    if (cause !== undefined) throw cause;
    if (stoppable.consideredCancelled) throw new CancelledFailure('The workflow was cancelled.');
    return result;
  }

  // The signal itself says nothing. What is wished may be noticed elsewhere first, and the run be over before the answer is here.
  async function look(): Promise<void> {
    known = await readWishes({ run_id });
    if (known.wish !== null) interrupt({ status: 'cancelled', by: 'wish' });
  }
  setHandler(defineSignal(LOOK), look, { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON });

  async function answered(step_id: string): Promise<void> {
    const seconds = rules.max_wait_s ?? MAX_WAIT_S;
    const over = waits.begin();
    try {
      await look(); // it may have been answered before anybody waited
      const isAnswered = () => known?.waiting.includes(step_id) !== true;
      const came = await stoppable.run(() => condition(isAnswered, seconds * 1_000));
      if (!came) throw interrupt({ status: 'timed_out', limit: { kind: 'max_wait_s', value: seconds } });
    } finally {
      over();
    }
  }

  async function watchDeadline(): Promise<void> {
    await deadlineOver({ run_id, deadline_at_ms }, waits);
    interrupt({ status: 'timed_out', limit: { kind: 'max_duration_s', value: rules.max_duration_s } });
  }

  return {
    stoppable,
    left: [],
    heed,
    answered,
    async guard(story) {
      const clock = new CancellationScope();
      clock.run(watchDeadline).catch(() => undefined); // it was stopped
      try {
        await shielded(story);
      } catch (error) {
        throw cause !== undefined && isCancellation(error) ? cause : error;
      } finally {
        clock.cancel(); // a timer that Temporal has not heard of yet, as in a run of instant work, it never will
      }
    },
  };
}

/** Resolves when the time of a run is over, without what it waited for people. */
async function deadlineOver(
  { run_id, deadline_at_ms }: Pick<RunInput, 'run_id' | 'deadline_at_ms'>,
  waits: Waits,
): Promise<void> {
  let until = deadline_at_ms;
  for (;;) {
    await sleep(Math.max(1, until + waits.ms() - Date.now()));
    if (waits.underWay()) {
      await condition(() => !waits.underWay());
      continue;
    }
    // A Reset goes on with the input of the start, and gave the run time anew. Asked only of runs that are late.
    if (patched('deadline-is-asked')) until = (await readWishes({ run_id })).deadline_at_ms;
    if (until + waits.ms() <= Date.now()) return;
  }
}

/** How long a run has waited for people; several questions at once are one wait. */
class Waits {
  private open = 0;
  private since = 0;
  private past_ms = 0;

  /** @returns what ends this wait. */
  begin(): () => void {
    if (this.open === 0) this.since = Date.now();
    this.open += 1;
    return () => {
      this.open -= 1;
      if (this.open === 0) this.past_ms += Date.now() - this.since;
    };
  }

  underWay(): boolean {
    return this.open > 0;
  }

  /** Of waits that have ended, milliseconds. */
  ms(): number {
    return this.past_ms;
  }
}
