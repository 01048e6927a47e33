/** First pause before a child that ended is started again; each further one is twice as long. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** A child that lived this long was well: its next pause is the first one again. */
const WELL_AFTER_MS = 30_000;

/**
 * What a child process is doing. Times are milliseconds, of a clock that is never set. `failures` counts ends in a row.
 *
 * | state | exited | ready | due | stop |
 * |---|---|---|---|---|
 * | running | pausing | running, ready | – | stopping |
 * | pausing | – | – | running | ended |
 * | stopping | ended | – | – | – |
 * | ended | – | – | – | – |
 */
export type ChildState =
  | { kind: 'running'; since: number; ready: boolean; failures: number }
  | { kind: 'pausing'; until: number; failures: number }
  | { kind: 'stopping' }
  | { kind: 'ended' };

/** What happens to a child: it ended, it said it is ready, its pause is over, somebody wants it to end. */
export type ChildHappening = 'exited' | 'ready' | 'due' | 'stop';

/** The state of a child that has just been started for the first time. */
export function firstState(now: number): ChildState {
  return { kind: 'running', since: now, ready: false, failures: 0 };
}

/** The state after something happened; what does not concern a state leaves it as it is. */
export function nextState(state: ChildState, happening: ChildHappening, now: number): ChildState {
  if (happening === 'stop') {
    if (state.kind === 'running') return { kind: 'stopping' };
    return state.kind === 'pausing' ? { kind: 'ended' } : state;
  }
  if (happening === 'exited') {
    if (state.kind === 'stopping') return { kind: 'ended' };
    if (state.kind !== 'running') return state;
    const failures = now - state.since >= WELL_AFTER_MS ? 1 : state.failures + 1;
    return { kind: 'pausing', until: now + pauseAfter(failures), failures };
  }
  if (happening === 'ready') return state.kind === 'running' ? { ...state, ready: true } : state;
  if (state.kind !== 'pausing' || now < state.until) return state;
  return { kind: 'running', since: now, ready: false, failures: state.failures };
}

/** Pause before the start that follows this many ends in a row, milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS);
}
