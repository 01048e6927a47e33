import { createHash } from 'node:crypto';
import { Refusal } from '../contracts/refusal';
import { findRequest, type RequestKey } from '../db/request-keys';
import { findRun, type RunRow } from '../db/runs';
import type { Tx } from '../db/tx';
import { canonical } from '../planning/canonical';

/** A request that makes a run. */
export interface KeyedRequest {
  tenant: string;
  /** Keys of different routes are different keys. */
  route: string;
  idempotency_key: string | null;
}

/**
 * The key of a request, where it has one.
 * @param asked all that makes it the same request when it is repeated
 */
export function requestKeyOf(
  { tenant, route, idempotency_key: key }: KeyedRequest,
  asked: unknown,
): RequestKey | null {
  if (key === null) return null;
  const body_hash = createHash('sha256').update(canonical(asked)).digest();
  return { tenant, route, key, body_hash };
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
