import { performance } from 'node:perf_hooks';
import type { Response } from 'express';
import { LRUCache } from 'lru-cache';
import type { RateLimit } from '../contracts/rate-limit';
import { Refusal } from '../contracts/refusal';
import type { ApiKey } from '../db/api-keys';
import type { Database } from '../db/database';
import { WINDOW_MS, takeFromWindow } from '../db/rate-windows';

/** Keys and kinds that a process remembers at once; a forgotten one costs a write more. */
const MAX_REMEMBERED = 20_000;
/**
 * Reads and streams are taken from the window this many parts of it at a time, so that twenty of them cost one write: a read must not cost
 * more than what it reads. No process ever serves more than was taken, so the limit holds over all of them; what one has taken and does not
 * use is lost to the others until the window ends, a twentieth of the limit for each.
 */
const PARTS = 20;

/** Requests a minute and key. */
export type Quotas = Record<RateLimit, number>;

/** How a key stands after a request. */
export interface Standing {
  /** Requests a window. */
  quota: number;
  /** Requests left in it. */
  remaining: number;
  /** Whole seconds until it ends. */
  reset_s: number;
  granted: boolean;
}

/** Counts the requests of keys. */
export interface RateLimits {
  /** Counts one. @throws Unavailable when Postgres is away. */
  take(key: ApiKey, kind: RateLimit): Promise<Standing>;
}

/** What a process knows of a window. */
interface Share {
  quota: number;
  /** Requests that were taken and not yet made. */
  left: number;
  /** What nobody has taken yet, as far as is known. */
  untaken: number;
  /** When it is over, by the clock that `now` reads. */
  ends_at: number;
}

export interface RateLimitDeps {
  db: Pick<Database, 'of'>;
  quotas: Quotas;
  /** Milliseconds, of a clock that is never set. */
  now?: () => number;
}

/**
 * Limits by windows of a minute in Postgres, exact over all processes by its clock. A window that is used up is remembered: a client that
 * goes on asking costs no write.
 */
export function createRateLimits({ db, quotas, now = () => performance.now() }: RateLimitDeps): RateLimits {
  const shares = new LRUCache<string, Share>({ max: MAX_REMEMBERED });
  /** Shares on their way: requests that come meanwhile wait for them instead of taking one each. */
  const coming = new Map<string, Promise<Share>>();

  /** Takes from the window and adds to what is left of it here. */
  async function fetchShare(key: ApiKey, kind: RateLimit, quota: number, count: number): Promise<Share> {
    // Read before the database is asked, so that what is remembered ends before the window does, never after it.
    const asked_at = now();
    const { id: key_id, tenant } = key;
    const { used, left_ms } = await takeFromWindow(db.of(tenant), { key_id, kind, tenant, count });
    const taken = Math.min(count, Math.max(0, quota - (used - count)));
    const id = `${key_id} ${kind}`;
    // One object a window: requests that asked at the same time spend from the same, so none is spent twice.
    const share = usable(shares.get(id), quota) ?? {
      quota,
      left: 0,
      untaken: 0,
      ends_at: asked_at + left_ms,
    };
    share.left += taken;
    share.untaken = Math.max(0, quota - used);
    share.ends_at = asked_at + left_ms;
    shares.set(id, share);
    return share;
  }

  function usable(share: Share | undefined, quota: number): Share | undefined {
    return share !== undefined && share.quota === quota && now() < share.ends_at ? share : undefined;
  }

  return {
    async take(key, kind) {
      const id = `${key.id} ${kind}`;
      const quota = key.limits[kind] ?? quotas[kind];
      const count = kind === 'reads' || kind === 'streams' ? Math.ceil(quota / PARTS) : 1;
      for (;;) {
        const known = usable(shares.get(id), quota);
        if (known !== undefined && (known.left > 0 || known.untaken === 0)) return spend(known, now());
        if (count === 1) return spend(await fetchShare(key, kind, quota, count), now());
        const share = coming.get(id) ?? fetchShare(key, kind, quota, count).finally(() => coming.delete(id));
        coming.set(id, share);
        await share;
      }
    },
  };
}

/** Makes one request of a share, if it still has one. */
function spend(share: Share, now: number): Standing {
  const granted = share.left > 0;
  if (granted) share.left -= 1;
  const { quota, left, untaken, ends_at } = share;
  const reset_s = Math.max(1, Math.ceil((ends_at - now) / 1_000));
  return { quota, remaining: left + untaken, reset_s, granted };
}

/** What counts requests, and who hears of those that are refused. */
export interface Counting {
  limits: RateLimits;
  onRefused?: ((kind: RateLimit) => void) | undefined;
}

/**
 * Counts a request and says in its reply how the key stands (draft-ietf-httpapi-ratelimit-headers-08).
 * @param res null where there is no reply with headers: on a socket
 * @throws Refusal `too_many_requests`; Unavailable when Postgres is away.
 */
export async function countRequest(
  { limits, onRefused }: Counting,
  key: ApiKey,
  kind: RateLimit,
  res: Pick<Response, 'setHeader'> | null,
): Promise<void> {
  const { quota, remaining, reset_s, granted } = await limits.take(key, kind);
  res?.setHeader('RateLimit-Policy', `"${kind}";q=${quota};w=${WINDOW_MS / 1_000}`);
  res?.setHeader('RateLimit', `"${kind}";r=${remaining};t=${reset_s}`);
  if (granted) return;
  onRefused?.(kind);
  const detail = `The key has made its ${quota} ${kind} of this minute; the next one begins in ${reset_s} s.`;
  throw new Refusal('too_many_requests', detail, [], { retry_after_s: reset_s });
}
