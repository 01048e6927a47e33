import type { Breaker } from '../contracts/model-endpoint';

/**
 * The breaker of an endpoint: keeps a provider that is down from being asked by everybody, over and over.
 *
 *            | ask                            | answered   | failed                    | left
 *  closed    | let through                    | failures 0 | failures + 1; 5th: open   | -
 *  open      | before `until`: no; then probe | -          | -                         | -
 *  half_open | before `until`: no; then probe | closed     | open                      | open, and over at once
 *
 * A half-open breaker listens to its probe alone, an open one to nobody: calls that began before it opened tell what was, not what is.
 */

/** Failures in a row that open it: one or two happen to every provider, five in a row do not. */
export const FAILURES_TO_OPEN = 5;
/** How long it stays open, milliseconds: overloads rarely pass sooner, and nobody should be left without a model for much longer. */
export const OPEN_MS = 60_000;

/**
 * The farthest that a time may lie ahead, milliseconds: longer than a breaker stays open, a minute of calls, or a call. One that lies farther
 * was noted before the clock was set back, and is over: else an endpoint would be left alone until that time has come again.
 */
const FARTHEST_MS = 10 * OPEN_MS;

/** Whether a time that was noted is still to come. @param now milliseconds, of the clock that it was noted by */
export function isAhead(until: number, now: number): boolean {
  return now < until && until - now <= FARTHEST_MS;
}

/** A breaker that knows nothing yet. */
export const CLOSED: Breaker = { state: 'closed', failures: 0 };

export type BreakerEvent =
  /** Call `call` wants to be made; as a probe it is given up at `lost_at`. */
  | { type: 'ask'; call: string; lost_at: number }
  /** What it came to. `left`: it ended without a word about the endpoint. */
  | { type: 'answered' | 'failed' | 'left'; call: string };

/**
 * The one transition function.
 * @param now milliseconds
 * @returns the breaker afterwards, and whether the call may be made (true for what only reports)
 */
export function turn(
  breaker: Breaker,
  event: BreakerEvent,
  now: number,
): { breaker: Breaker; allowed: boolean } {
  if (event.type !== 'ask') return { breaker: heard(breaker, event, now), allowed: true };
  if (breaker.state === 'closed') return { breaker, allowed: true };
  if (isAhead(breaker.until, now)) return { breaker, allowed: false };
  return { breaker: { state: 'half_open', probe: event.call, until: event.lost_at }, allowed: true };
}

function heard(
  breaker: Breaker,
  { type, call }: { type: 'answered' | 'failed' | 'left'; call: string },
  now: number,
): Breaker {
  if (breaker.state === 'open') return breaker;
  if (breaker.state === 'half_open') {
    if (breaker.probe !== call) return breaker;
    if (type === 'answered') return CLOSED;
    return { state: 'open', until: type === 'failed' ? now + OPEN_MS : now };
  }
  if (type === 'left') return breaker;
  if (type === 'answered') return CLOSED;
  const failures = breaker.failures + 1;
  return failures < FAILURES_TO_OPEN
    ? { state: 'closed', failures }
    : { state: 'open', until: now + OPEN_MS };
}
