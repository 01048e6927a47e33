import { CancelledFailure, HandlerUnfinishedPolicy } from '@temporalio/common';
import { CancellationScope, defineSignal, isCancellation, setHandler, sleep } from '@temporalio/workflow';
import type { Ending } from '../contracts/ending';
import type { WishKind } from '../contracts/step-result';
import { Ended } from './failures';
import { LOOK, type RunInput } from './messages';
import { readWishes } from './proxies';
import { shielded } from './shielded';

/** What may end a run from outside: a wish, or its deadline. */
export interface Interruptions {
  /** Holds what is told to stop when the story is interrupted: slow steps and pauses. */
  stoppable: CancellationScope;
  /** Runs the story until it ends or is interrupted. @throws Ended when it was interrupted. */
  guard(story: () => Promise<void>): Promise<void>;
  /** Instant work that is under way when the story ends: the workflow may not close before it. */
  left: Promise<unknown>[];
  /** Notices the wish that every activity brings along, so that a chain of instant work stops too. @throws Ended */
  heed<T extends { wish: WishKind | null }>(result: T): T;
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
    const { wish } = await readWishes({ run_id });
    if (wish !== null) interrupt({ status: 'cancelled', by: 'wish' });
  }
  setHandler(defineSignal(LOOK), look, { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON });

  async function watchDeadline(): Promise<void> {
    await sleep(Math.max(1, deadline_at_ms - Date.now()));
    interrupt({ status: 'timed_out', limit: { kind: 'max_duration_s', value: rules.max_duration_s } });
  }

  return {
    stoppable,
    left: [],
    heed,
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
