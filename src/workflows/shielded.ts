import { CancellationScope } from '@temporalio/workflow';

/** Runs what must happen even in a run that was cancelled: it still says how it ended. */
export function shielded<T>(act: () => Promise<T>): Promise<T> {
  return CancellationScope.nonCancellable(act);
}
