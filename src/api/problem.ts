import type { NextFunction, Request, Response } from 'express';
import { FAILURES } from '../contracts/failure';
import type { Problem } from '../contracts/problem';
import { Refusal, type RefusedPart } from '../contracts/refusal';
import { Unavailable } from '../db/unavailable';
import type { Logger } from '../telemetry/logger';
import { leaveRest } from './linger';

/** Seconds after which a client may try again where the refusal does not say otherwise: Postgres is away. */
const RETRY_AFTER_S = 2;

/** The problem document of a refusal. */
export function problemOf(
  refusal: Refusal,
  { public_url, path, request_id }: { public_url: string; path: string; request_id: string },
): Problem {
  const { code, message: detail, parts, more } = refusal;
  const entry = FAILURES[code];
  const status = 'status' in entry ? entry.status : 500;
  return {
    type: `${public_url}/errors/${code}`,
    title: entry.title,
    status,
    detail,
    instance: path,
    code,
    request_id,
    retryable: entry.kind === 'retryable',
    run_id: null,
    hint: entry.hint,
    errors: parts,
    ...more,
    error: { message: detail, type: typeOf(status), code, param: paramOf(parts[0]) },
  };
}

/** Express' last handler: whatever was thrown becomes a problem document, and only what a client may know is in it. */
export function problemHandler(deps: { public_url: string; log: Logger }) {
  return (error: unknown, req: Request, res: Response, next: NextFunction): void => {
    const request_id = String(res.locals.request_id);
    const refusal = refusalOf(error);
    if (refusal.code === 'internal' || refusal.code === 'unavailable') {
      deps.log.error({ err: error, request_id }, refusal.message);
    }
    res.locals.failure = refusal.code; // for the line of the request
    if (res.headersSent) return next(error); // Express cuts the connection: a stream that ends without its end means reconnect
    const problem = problemOf(refusal, { public_url: deps.public_url, path: req.path, request_id });
    leaveRest(req, res);
    res.setHeader('Cache-Control', 'no-store');
    if (problem.status === 401) res.setHeader('WWW-Authenticate', 'Bearer');
    if (problem.status === 429 || problem.status === 503)
      res.setHeader('Retry-After', String(problem.retry_after_s ?? RETRY_AFTER_S));
    // Clients that retry every 409 by themselves are told that it does not help.
    if (problem.status === 409) res.setHeader('x-should-retry', 'false');
    res.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
}

/** What a client is told of an error, whatever it is. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof Unavailable)
    return new Refusal('unavailable', 'Postgres cannot be reached at the moment.');
  const { type, status } = (error ?? {}) as { type?: unknown; status?: unknown };
  switch (type) {
    case 'entity.too.large':
      return new Refusal('body_too_large', 'The body is larger than this service takes.');
    case 'entity.parse.failed':
    case 'request.size.invalid':
    case 'request.aborted':
      return new Refusal('invalid_json', 'The body is not one JSON object.');
    case 'charset.unsupported':
    case 'encoding.unsupported':
      return new Refusal('unsupported_media_type', 'The body must be JSON in UTF-8.');
    default:
      break;
  }
  if (error instanceof URIError) return new Refusal('invalid_request', 'The address is not well encoded.');
  // Else from the body parser: a body shorter than it was said to be, or compressed and broken.
  if (status === 400) return new Refusal('invalid_json', 'The body cannot be read.');
  return new Refusal('internal', 'The request could not be served.');
}

function typeOf(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 404) return 'not_found_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'api_error' : 'invalid_request_error';
}

/** The field a part is in; of a query or a header, its name. */
function paramOf(part: RefusedPart | undefined): string | null {
  const [, first, second] = part?.pointer.split('/') ?? [];
  return ((first === 'query' || first === 'header') && second) || first || null;
}
