import type { IncomingHttpHeaders } from 'node:http';
import type { RequestHandler } from 'express';
import { Refusal } from '../contracts/refusal';
import type { ApiKey } from '../db/api-keys';
import type { ApiDeps } from './deps';

/** Longest key that is looked up, characters. */
const MAX_KEY_CHARS = 200;

/** Lets only requests with an accepted key through; `callerOf` then says whose. */
export function authenticate(deps: Pick<ApiDeps, 'findKey' | 'context'>): RequestHandler {
  return async (req, res, next) => {
    const caller = await keyOf(deps, secretIn(req.headers));
    res.locals.caller = caller;
    deps.context.add({ tenant: caller.tenant, key_id: caller.id });
    next();
  };
}

/** The key of an authenticated request. */
export function callerOf(res: { locals: Record<string, unknown> }): ApiKey {
  return res.locals.caller as ApiKey;
}

/** The secret that a request carries, if any. */
export function secretIn(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  const header = headers['x-api-key'];
  return bearer?.[1] ?? (typeof header === 'string' ? header : null);
}

/** The key with this secret. @throws Refusal `unauthorized`. */
export async function keyOf({ findKey }: Pick<ApiDeps, 'findKey'>, secret: string | null): Promise<ApiKey> {
  const plausible = secret !== null && secret.startsWith('lh_') && secret.length <= MAX_KEY_CHARS;
  const key = plausible ? await findKey(secret) : undefined;
  if (key === undefined)
    throw new Refusal('unauthorized', 'The request carries no key that is accepted here.');
  return key;
}
