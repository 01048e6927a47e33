import { HandlerUnfinishedPolicy } from '@temporalio/common';
import { CancellationScope, defineSignal, isCancellation, setHandler, sleep } from '@temporalio/workflow';
import type { Ending } from '../contracts/ending';
import type { WishKind } from '../contracts/step-result';
import { Ended } from './failures';
import { LOOK, type RunInput } from './messages';
import { readWishes } from './proxies';

/** What may end a run from outside: a wish, or its deadline. */
export interface Interruptions {
  /** Runs the story until it ends or is interrupted. @throws Ended when it was interrupted. */
  guard(story: () => Promise<void>): Promise<void>;
  /** Notices the wish that every activity brings along, so that a chain of instant work stops too. @throws Ended */
  heed<T extends { wish: WishKind | null }>(result: T): T;
}

/** Listens for the signal `look` and for the deadline. Called before the first await, so that no signal finds nobody. */
export function listen({ run_id, rules, deadline_at_ms }: RunInput): Interruptions {
  const scope = new CancellationScope();
  let cause: Ended | undefined;

  function interrupt(ending: Ending): Ended {
    cause ??= new Ended(ending);
    scope.cancel();
    return cause;
  }

  function heed<T extends { wish: WishKind | null }>(result: T): T {
    if (result.wish === null) return result;
    throw interrupt({ status: 'cancelled', by: 'wish' });
  }

  function timeOut(): void {
    interrupt({ status: 'timed_out', limit: { kind: 'max_duration_s', value: rules.max_duration_s } });
  }

  // The signal itself says nothing. What is wished may be noticed elsewhere first, and the run be over before the answer is here.
  const look = () =>
    readWishes({ run_id }).then(
      ({ wish }) => void (wish && interrupt({ status: 'cancelled', by: 'wish' })),
      ifCancelled,
    );
  setHandler(defineSignal(LOOK), look, { unfinishedPolicy: HandlerUnfinishedPolicy.ABANDON });

  return {
    heed,
    async guard(story) {
      sleep(Math.max(1, deadline_at_ms - Date.now())).then(timeOut, ifCancelled);
      try {
        await scope.run(story);
      } catch (error) {
        throw cause !== undefined && isCancellation(error) ? cause : error;
      }
    },
  };
}

/** Who listens is told to stop when the whole workflow is cancelled; anything else is thrown on. */
function ifCancelled(error: unknown): void {
  if (!isCancellation(error)) throw error;
}
