import type { IncomingHttpHeaders } from 'node:http';
import type { Request, RequestHandler } from 'express';
import type { Scope } from '../contracts/api-key';
import { Refusal } from '../contracts/refusal';
import type { ApiKey } from '../db/api-keys';
import { TICKET_PREFIX, type Admission } from '../db/stream-tickets';
import type { ApiDeps } from './deps';

/** Longest key or ticket that is looked up, characters. */
const MAX_SECRET_CHARS = 200;
/** The stream of events, below `/v1`. */
const STREAM_PATH = /^\/runs\/([^/]+)\/events\/?$/;

/** Lets only requests with an accepted key through, or with a ticket where they open a stream; `callerOf` then says whose. */
export function authenticate(deps: Pick<ApiDeps, 'findKey' | 'useTicket' | 'context'>): RequestHandler {
  return async (req, res, next) => {
    const secret = secretIn(req.headers);
    const caller =
      secret === null && opensStream(req)
        ? (await admissionOf(deps, req.query.ticket, STREAM_PATH.exec(req.path)?.[1])).key
        : await keyOf(deps, secret);
    res.locals.caller = caller;
    deps.context.add({ tenant: caller.tenant, key_id: caller.id });
    next();
  };
}

/** The key of an authenticated request. */
export function callerOf(res: { locals: Record<string, unknown> }): ApiKey {
  return res.locals.caller as ApiKey;
}

/** @throws Refusal `forbidden`. Asked before anything is looked up, so that it tells nothing of what is there. */
export function requireScope({ scopes }: ApiKey, scope: Scope): void {
  if (!scopes.includes(scope)) throw new Refusal('forbidden', `The key does not have the scope ${scope}.`);
}

/** The secret that a request carries, if any. */
export function secretIn(headers: IncomingHttpHeaders): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  const header = headers['x-api-key'];
  return bearer?.[1] ?? (typeof header === 'string' ? header : null);
}

/** The key with this secret. @throws Refusal `unauthorized`. */
export async function keyOf({ findKey }: Pick<ApiDeps, 'findKey'>, secret: string | null): Promise<ApiKey> {
  const plausible = secret !== null && secret.startsWith('lh_') && secret.length <= MAX_SECRET_CHARS;
  const key = plausible ? await findKey(secret) : undefined;
  if (key === undefined)
    throw new Refusal('unauthorized', 'The request carries no key that is accepted here.');
  return key;
}

/**
 * What a ticket opens. It is used up, whatever comes of it.
 * @param run_id run that is to be opened, where it is known yet
 * @throws Refusal `unauthorized`, or `forbidden` when the ticket is for another run.
 */
export async function admissionOf(
  { useTicket }: Pick<ApiDeps, 'useTicket'>,
  ticket: unknown,
  run_id?: string,
): Promise<Admission> {
  const plausible =
    typeof ticket === 'string' && ticket.startsWith(TICKET_PREFIX) && ticket.length <= MAX_SECRET_CHARS;
  const admission = plausible ? await useTicket(ticket) : undefined;
  if (admission === undefined) {
    throw new Refusal('unauthorized', 'The ticket is unknown, used or expired: each opens one stream.');
  }
  if (run_id !== undefined) refuseOtherRun(admission, run_id);
  return admission;
}

/** @throws Refusal `forbidden` when a ticket for one run is used for another. */
export function refuseOtherRun({ run_id: only }: Pick<Admission, 'run_id'>, run_id: string): void {
  if (only === null || only === run_id) return;
  throw new Refusal('forbidden', `The ticket is for the run ${only} alone.`);
}

/** Elsewhere a ticket counts for nothing: it may have been read from a log. */
function opensStream(req: Request): boolean {
  return (
    req.query.ticket !== undefined &&
    STREAM_PATH.test(req.path) &&
    req.accepts(['application/json', 'text/event-stream']) === 'text/event-stream'
  );
}
