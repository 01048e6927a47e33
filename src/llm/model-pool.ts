import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { TIERS, type Tier } from '../contracts/model';
import type { Breaker } from '../contracts/model-endpoint';
import { Refusal } from '../contracts/refusal';
import { Turns } from './turns';
import { isDatabaseError } from '../db/unavailable';
import type { Admission, CallOutcome, EndpointLimits } from './admission';
import type { EndpointStates } from './endpoint-states';
import { Interrupted } from '../contracts/interrupted';
import type { Endpoint, ModelReply, Models } from './model';
import { faultOf } from './model-fault';

/**
 * For how long a call holds its slot, and is waited for as a probe, once nothing is heard of it, milliseconds. The slots of a killed worker
 * are free after that, long before its calls would have timed out: those who repeat its work need them.
 */
export const LEASE_MS = 9_000;
/** Leases are renewed so often in their time: two renewals may fail. */
const RENEWALS = 3;
/**
 * A call that takes more than this part of what it may counts as a failure though it was answered: the provider is about to time out,
 * and its runs are better off elsewhere.
 */
const SLOW_PART = 0.75;

/** An endpoint, and how it may be asked. */
export interface PooledEndpoint extends EndpointLimits {
  endpoint: Endpoint;
  tier: Tier;
  /** What processes and tiers that ask the same model at the same address have in common (`endpointKey`). */
  key: string;
  /** Seconds that a call takes at most: the endpoint itself ends one that takes longer. */
  timeout_s: number;
}

/** How an endpoint stands. */
export interface EndpointStanding {
  name: string;
  model: string;
  /** As all workers see it. */
  state: Breaker['state'];
  /** Calls of this process that are under way or wait for their turn, of all endpoints with this key. */
  in_flight: number;
}

export interface ModelPool extends Models {
  /** Every endpoint in the order of the settings. @throws Unavailable when Postgres is away. */
  states(): Promise<EndpointStanding[]>;
}

export interface ModelPoolDeps {
  /** At least one. */
  endpoints: readonly PooledEndpoint[];
  states: EndpointStates;
  /** Milliseconds, of a clock that is never set. */
  now?: () => number;
  /** `LEASE_MS` where not given. */
  lease_ms?: number;
}

type CallArguments = Parameters<Models['call']>;
type Denial = Exclude<Admission, { granted: true }>;
/** What asking one endpoint came to. */
type Attempt = { reply: ModelReply } | { error: unknown } | { denial: Denial };

/**
 * Endpoints by tier, held to limits that all workers share and guarded by breakers that all workers see.
 *
 * A failure of an endpoint leads to the next one; a fault of the question ends the call, except that a question that is too long is asked
 * in the larger tiers. Once a piece of a reply was given nobody else is asked: the reader would get the beginnings of two replies.
 * Where Postgres is away no call is made, since nobody could say whether it may be.
 */
export function createModelPool({
  endpoints,
  states,
  now = () => performance.now(),
  lease_ms = LEASE_MS,
}: ModelPoolDeps): ModelPool {
  const askOne = asking(states, now, lease_ms);
  /** Who waits here asks nobody and uses up no try; the slots over all workers are counted in `states`. */
  const turns = new Map(endpoints.map(({ key }) => [key, new Turns()]));
  /** Calls that wait count too, so that calls that begin together spread. */
  const busy = ({ key }: PooledEndpoint) => turns.get(key)!.size;

  async function inTurn(pooled: PooledEndpoint, args: CallArguments): Promise<Attempt> {
    const line = turns.get(pooled.key)!;
    await line.take(pooled.max_parallel, args[1].signal);
    try {
      return await askOne(pooled, args);
    } finally {
      line.leave();
    }
  }

  return {
    async call(request, options) {
      const { watched, begun } = watching(options);
      const tried = new Set<string>();
      const denials: { name: string; denial: Denial }[] = [];
      let failure: { error: unknown } | undefined;
      for (const tier of tiersFor(endpoints, request.tier)) {
        for (;;) {
          if (options.signal.aborted) throw new Interrupted();
          const pooled = leastBusy(endpoints, tier, tried, busy);
          if (pooled === undefined) break;
          tried.add(pooled.key);
          const attempt = await inTurn(pooled, [request, watched]);
          if ('reply' in attempt) return attempt.reply;
          if ('denial' in attempt) {
            denials.push({ name: pooled.endpoint.name, denial: attempt.denial });
            continue;
          }
          failure = attempt;
          if (begun() || !mayBeAskedElsewhere(attempt.error)) throw attempt.error;
          if (isTooLong(attempt.error)) break;
        }
      }
      throw failure === undefined ? nobodyMayBeAsked(denials) : failure.error;
    },
    async states() {
      const breakers = await states.breakers(endpoints.map(({ key }) => key));
      return endpoints.map((pooled) => {
        const { name, model } = pooled.endpoint;
        return { name, model, state: breakers.get(pooled.key)!, in_flight: busy(pooled) };
      });
    },
  };
}

/** How one endpoint is asked: slot, `before`, call, report. What `before` throws passes, as does what Postgres being away throws. */
function asking(states: EndpointStates, now: () => number, lease_ms: number) {
  /** The slot is free when its lease ends, too: a reply that was paid for is not lost because Postgres went away meanwhile. */
  const report = (key: string, id: string, outcome: CallOutcome) =>
    states.report(key, id, outcome).catch((error: unknown) => {
      if (!isDatabaseError(error)) throw error;
    });

  return async (pooled: PooledEndpoint, [request, options]: CallArguments): Promise<Attempt> => {
    const { endpoint, key, timeout_s, max_parallel, per_minute } = pooled;
    const id = randomUUID();
    const admission = await states.take(key, { id, limits: { max_parallel, per_minute }, lease_ms });
    if (!admission.granted) return { denial: admission };
    let reported: Promise<void> | undefined;
    const settled = renewing(() => states.renew(key, id, lease_ms), lease_ms / RENEWALS);
    try {
      await options.before(endpoint);
      if (options.signal.aborted) throw new Interrupted();
      const began_at = now();
      const attempt = await endpoint.call(request, options).then(
        (reply) => ({ reply }),
        (error: unknown) => ({ error }),
      );
      const slow = now() - began_at > timeout_s * 1_000 * SLOW_PART;
      reported = report(key, id, outcomeOf(attempt, slow));
      reported.catch(() => undefined); // told below; the reply is kept first
      if ('reply' in attempt) await options.after(attempt.reply);
      return attempt;
    } finally {
      await settled();
      await (reported ?? report(key, id, 'left'));
    }
  };
}

/** Renews a lease every so many milliseconds, one renewal at a time. @returns what ends that, and waits for the last one */
function renewing(renew: () => Promise<void>, every_ms: number): () => Promise<void> {
  let last: Promise<void> | undefined;
  const timer = setInterval(() => {
    // One that fails is made up for by the next one, or the slot is given away in time.
    last ??= renew()
      .catch(() => undefined)
      .finally(() => (last = undefined));
  }, every_ms);
  return async () => {
    clearInterval(timer);
    await last;
  };
}

function outcomeOf(attempt: { reply: ModelReply } | { error: unknown }, slow: boolean): CallOutcome {
  const fault = 'error' in attempt ? faultOf(attempt.error) : 'none';
  if (fault === 'neither') return 'left';
  return fault === 'endpoint' || slow ? 'failed' : 'answered';
}

/** Tells whether a piece of the reply was given. */
function watching(options: CallArguments[1]): { watched: CallArguments[1]; begun: () => boolean } {
  const { onText } = options;
  if (onText === undefined) return { watched: options, begun: () => false };
  let begun = false;
  const watched = {
    ...options,
    onText: (piece: string) => {
      begun = true;
      onText(piece);
    },
  };
  return { watched, begun: () => begun };
}

/** The tier asked for and those above it; where there is none of them, the nearest one below. */
function tiersFor(endpoints: readonly PooledEndpoint[], asked: Tier): Tier[] {
  const configured = TIERS.filter((tier) => endpoints.some((pooled) => pooled.tier === tier));
  const up = configured.filter((tier) => TIERS.indexOf(tier) >= TIERS.indexOf(asked));
  return up.length > 0 ? up : configured.slice(-1);
}

/** Of those with as few calls under way, the one that is named first in the settings. */
function leastBusy(
  endpoints: readonly PooledEndpoint[],
  tier: Tier,
  tried: ReadonlySet<string>,
  busy: (pooled: PooledEndpoint) => number,
): PooledEndpoint | undefined {
  const open = endpoints.filter((pooled) => pooled.tier === tier && !tried.has(pooled.key));
  return open.sort((one, other) => busy(one) - busy(other))[0];
}

function mayBeAskedElsewhere(error: unknown): boolean {
  return faultOf(error) === 'endpoint' || isTooLong(error);
}

function isTooLong(error: unknown): boolean {
  return error instanceof Refusal && error.code === 'context_too_long';
}

/** Names the endpoints, and when the first may be asked again. One that is only at its limit is there: then it is worth waiting for. */
function nobodyMayBeAsked(denials: readonly { name: string; denial: Denial }[]): Refusal {
  const limited = denials.some(({ denial }) => denial.why !== 'open');
  const retry_after_ms = Math.ceil(Math.min(...denials.map(({ denial }) => denial.retry_after_ms)));
  const each = denials.map(({ name, denial }) => `${name} ${standingOf(denial)}`).join('; ');
  return new Refusal(
    limited ? 'model_rate_limited' : 'provider_unavailable',
    `No model may be asked now: ${each}.`,
    [],
    { retry_after_ms },
  );
}

function standingOf(denial: Denial): string {
  if (denial.why === 'open') return `is left alone until ${new Date(denial.until).toISOString()}`;
  return denial.why === 'slots'
    ? 'has as many calls under way as it may have'
    : 'has had its calls of this minute';
}
