import type { FailureEntry } from './entry';

/** Failures that say how a run stands. */
export const RUN_FAILURES = {
  run_over: {
    kind: 'terminal',
    title: 'The run has already ended',
    hint: 'Read the run to see how it ended.',
  },
  run_cancelling: {
    kind: 'terminal',
    title: 'The run is being cancelled',
    hint: 'It ends as cancelled within seconds.',
  },
  superseded: {
    kind: 'terminal',
    title: 'A newer attempt does this work',
    hint: 'Nothing is to be done: the write of an older attempt was refused.',
  },
} as const satisfies Record<string, FailureEntry>;
