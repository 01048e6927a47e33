import type { EndpointState } from '../contracts/model-endpoint';
import { CLOSED, isAhead, turn } from './breaker';

/** Length of the window in which calls are counted, milliseconds: providers state their limits by the minute. */
const WINDOW_MS = 60_000;
/** When to look again for a free slot, milliseconds: nobody knows when a call ends, and a look is cheap beside a call. */
const SLOT_RETRY_MS = 1_000;

/** How much an endpoint may be asked, over all workers. */
export interface EndpointLimits {
  /** Calls at once. */
  max_parallel: number;
  /** Calls begun in a minute. */
  per_minute: number;
}

/** A call that wants to be made. */
export interface AskedCall {
  id: string;
  limits: EndpointLimits;
  /** For how long it holds its slot if nothing is heard of it, milliseconds. */
  lease_ms: number;
}

/** Whether a call may be made; where not, why, and after how many milliseconds it makes sense to ask again. */
export type Admission =
  | { granted: true }
  | { granted: false; why: 'open'; until: number; retry_after_ms: number }
  | { granted: false; why: 'slots' | 'rate'; retry_after_ms: number };

/** What a call came to, as far as its endpoint is concerned; `left`: it ended without a word about it. */
export type CallOutcome = 'answered' | 'failed' | 'left';

/** An endpoint that nobody has asked yet. */
export const UNASKED: EndpointState = { breaker: CLOSED, calls: {}, minute: { used: 0, ends_at: 0 } };

/**
 * Decides whether a call may be made now, and counts it if so. One that is refused changes nothing: neither does it use up the rate, nor
 * does it become the probe of a breaker without being made.
 * @param now milliseconds
 */
export function admit(
  state: EndpointState,
  { id, limits, lease_ms }: AskedCall,
  now: number,
): { state: EndpointState; admission: Admission } {
  const refused = (admission: Admission) => ({ state, admission });
  const lost_at = now + lease_ms;
  const { breaker, allowed } = turn(state.breaker, { type: 'ask', call: id, lost_at }, now);
  if (!allowed && breaker.state !== 'closed') {
    const { until } = breaker;
    return refused({ granted: false, why: 'open', until, retry_after_ms: until - now });
  }
  const calls = alive(state.calls, now);
  if (Object.keys(calls).length >= limits.max_parallel) {
    return refused({ granted: false, why: 'slots', retry_after_ms: SLOT_RETRY_MS });
  }
  const minute = isAhead(state.minute.ends_at, now) ? state.minute : { used: 0, ends_at: now + WINDOW_MS };
  if (minute.used >= limits.per_minute) {
    return refused({ granted: false, why: 'rate', retry_after_ms: minute.ends_at - now });
  }
  return {
    state: {
      breaker,
      calls: { ...calls, [id]: lost_at },
      minute: { ...minute, used: minute.used + 1 },
    },
    admission: { granted: true },
  };
}

/** What is known of an endpoint after a call has ended: its slot is free. The minute keeps it, made or not: the rate errs low. */
export function settle(state: EndpointState, id: string, outcome: CallOutcome, now: number): EndpointState {
  const { [id]: ended, ...calls } = state.calls;
  void ended;
  const { breaker } = turn(state.breaker, { type: outcome, call: id }, now);
  return { ...state, breaker, calls };
}

/** A call that is still under way: it holds its slot, and is waited for as a probe, for another lease. Nothing where its slot was given away. */
export function renew(state: EndpointState, id: string, lease_ms: number, now: number): EndpointState {
  if (state.calls[id] === undefined) return state;
  const { breaker } = state;
  const until = now + lease_ms;
  const probing = breaker.state === 'half_open' && breaker.probe === id;
  return {
    ...state,
    breaker: probing ? { ...breaker, until } : breaker,
    calls: { ...state.calls, [id]: until },
  };
}

/** Calls whose time is not over. */
function alive(calls: EndpointState['calls'], now: number): EndpointState['calls'] {
  return Object.fromEntries(Object.entries(calls).filter(([, until]) => isAhead(until, now)));
}
