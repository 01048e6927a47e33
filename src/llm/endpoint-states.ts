import { createHash } from 'node:crypto';
import type { Breaker } from '../contracts/model-endpoint';
import type { Records } from '../db/database';
import { changeModelEndpoint, readModelEndpoints } from '../db/model-endpoints';
import { type Admission, type AskedCall, type CallOutcome, UNASKED, admit, renew, settle } from './admission';
import { isAhead } from './breaker';

/** What all workers know of endpoints, by key. */
export interface EndpointStates {
  /** Asks whether a call may be made; where it may, it is counted until it is reported or its lease ends. @throws Unavailable */
  take(key: string, call: AskedCall): Promise<Admission>;
  /** Says that a call is still under way: it counts for that much longer from now. @throws Unavailable */
  renew(key: string, id: string, lease_ms: number): Promise<void>;
  /** Says what a call came to; its slot is free. @throws Unavailable */
  report(key: string, id: string, outcome: CallOutcome): Promise<void>;
  /** Breakers as they are; an open one whose time is over shows as half-open: the next call will be its probe. @throws Unavailable */
  breakers(keys: readonly string[]): Promise<Map<string, Breaker['state']>>;
}

export interface EndpointStateDeps {
  db: Records;
  /** Milliseconds since 1970; the clock of the database where not given, so that workers whose clocks differ agree. */
  now?: () => number;
}

/** The states in Postgres, shared by every process and kept over restarts. */
export function createEndpointStates({ db, now }: EndpointStateDeps): EndpointStates {
  return {
    take: (key, call) =>
      changeModelEndpoint(db, key, UNASKED, (seen) => {
        const { state, admission } = admit(seen.state, call, now?.() ?? seen.now);
        return { state, result: admission };
      }),
    renew: (key, id, lease_ms) =>
      changeModelEndpoint(db, key, UNASKED, (seen) => ({
        state: renew(seen.state, id, lease_ms, now?.() ?? seen.now),
        result: undefined,
      })),
    report: (key, id, outcome) =>
      changeModelEndpoint(db, key, UNASKED, (seen) => ({
        state: settle(seen.state, id, outcome, now?.() ?? seen.now),
        result: undefined,
      })),
    async breakers(keys) {
      const seen = await readModelEndpoints(db, keys);
      return new Map(
        keys.map((key) => {
          const known = seen.get(key);
          const breaker = known?.state.breaker ?? UNASKED.breaker;
          const over = breaker.state === 'open' && !isAhead(breaker.until, now?.() ?? known?.now ?? 0);
          return [key, over ? 'half_open' : breaker.state];
        }),
      );
    },
  };
}

/**
 * What two processes that ask the same model at the same address agree on: `api.openai.com gpt-4.1 3f1c09ab`. User, query and key are
 * left out, and the path is hashed: some gateways take a token in it.
 * @param base_url absolute
 */
export function endpointKey(base_url: string, model: string): string {
  const { host, pathname } = new URL(base_url);
  const path = createHash('sha256').update(pathname.replace(/\/+$/, '')).digest('hex').slice(0, 8);
  return `${host} ${model} ${path}`;
}
