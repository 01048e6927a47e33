import type { RunWaker } from './run-workflows';

/** What is needed to wake a run. */
export interface WakeDeps {
  workflows: RunWaker;
  /** Hears that the workflow could not be woken at once; the reconciler repeats it. */
  onNotWoken: (run_id: string, error: unknown) => void;
}

/** Wakes the workflow of a run for a wish that is committed: what was replied is true whether it wakes or not. Never throws. */
export async function wake({ workflows, onNotWoken }: WakeDeps, run_id: string): Promise<void> {
  await workflows.look(run_id).catch((error: unknown) => onNotWoken(run_id, error));
}
