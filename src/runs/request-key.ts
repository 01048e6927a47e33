import { createHash } from 'node:crypto';
import { Refusal } from '../contracts/refusal';
import { findRequest, findRun, type RequestKey, type RunRow } from '../db/runs';
import type { Tx } from '../db/tx';
import { canonical } from '../planning/canonical';

/** How long a key is remembered. */
const KEY_LIVES_HOURS = 24;

/** A request that makes a run. */
export interface KeyedRequest {
  tenant: string;
  /** Keys of different routes are different keys. */
  route: string;
  idempotency_key: string | null;
  /** By the clock of this process: where that is an hour off, its keys live an hour longer or shorter. */
  now: Date;
}

/**
 * The key of a request, where it has one.
 * @param asked all that makes it the same request when it is repeated
 */
export function requestKeyOf(
  { tenant, route, idempotency_key: key, now }: KeyedRequest,
  asked: unknown,
): RequestKey | null {
  if (key === null) return null;
  const body_hash = createHash('sha256').update(canonical(asked)).digest();
  const expires_at = new Date(now.getTime() + KEY_LIVES_HOURS * 3_600_000);
  return { tenant, route, key, body_hash, created_at: now, expires_at };
}

/** The run that a key stands for, if it is still there. @throws Refusal `idempotency_mismatch`. */
export async function earlierRun(records: Tx, key: RequestKey): Promise<RunRow | undefined> {
  const request = await findRequest(records, key);
  if (request === undefined) return undefined;
  if (!request.same_body) {
    throw new Refusal('idempotency_mismatch', 'An earlier request with this key had another body.');
  }
  return findRun(records, key.tenant, request.run_id);
}
