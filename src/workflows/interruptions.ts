import {
  CancellationScope,
  condition,
  defineSignal,
  isCancellation,
  setHandler,
  sleep,
} from '@temporalio/workflow';
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
  let looks = 0;
  let cause: Ended | undefined;
  setHandler(defineSignal(LOOK), () => {
    looks += 1;
  });

  function interrupt(ending: Ending): Ended {
    cause ??= new Ended(ending);
    scope.cancel();
    return cause;
  }

  async function watchWishes(): Promise<void> {
    for (let seen = 0; ;) {
      await condition(() => looks > seen);
      seen = looks;
      const { wish } = await readWishes({ run_id });
      if (wish !== null) interrupt({ status: 'cancelled', by: 'wish' });
    }
  }

  async function watchDeadline(): Promise<void> {
    await sleep(Math.max(1, deadline_at_ms - Date.now()));
    interrupt({ status: 'timed_out', limit: { kind: 'max_duration_s', value: rules.max_duration_s } });
  }

  return {
    async guard(story) {
      void untilCancelled(watchWishes());
      void untilCancelled(watchDeadline());
      try {
        await scope.run(story);
      } catch (error) {
        throw cause !== undefined && isCancellation(error) ? cause : error;
      }
    },
    heed(result) {
      if (result.wish === null) return result;
      throw interrupt({ status: 'cancelled', by: 'wish' });
    },
  };
}

/** Watchers live as long as the workflow; a cancellation of the whole workflow ends them. */
async function untilCancelled(watcher: Promise<void>): Promise<void> {
  try {
    await watcher;
  } catch (error) {
    if (!isCancellation(error)) throw error;
  }
}
