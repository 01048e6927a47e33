import type { Request, RequestHandler, Response } from 'express';
import { RUN_ID } from '../contracts/run';
import { traceIdOf } from '../telemetry/trace';
import type { ApiDeps } from './deps';
import type { Route } from './route';

/** Asked every few seconds by machines: their lines are for those who look for them. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);
/** The label of an address that no route serves, and of a method that none has: labels must not grow without bound. */
const NONE = 'none';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS']);
/** Stands for the status of a reply that its client did not wait for (as in nginx). */
const CLIENT_LEFT = 499;

/**
 * The first handler of all but the one that gives the request its id: runs the rest inside a log context and tells log and metrics when
 * the request is over. The pattern of the address is told, never the address: it may hold what is nobody's business.
 */
export function requestLog(
  deps: Pick<ApiDeps, 'log' | 'context' | 'metrics'>,
  routes: readonly Route[],
): RequestHandler {
  const patternOf = patternsOf(routes);
  return (req, res, next) => {
    const { route, run_id } = patternOf(req.path);
    const fields = {
      request_id: String(res.locals.request_id),
      trace_id: traceIdOf(req.get('traceparent')),
      ...(run_id === undefined ? {} : { run_id }),
    };
    deps.context.run(fields, () => {
      tellWhenOver(deps, { req, res, route });
      next();
    });
  };
}

/** Apart from the handler, because what waits for the end of a stream keeps all that is known where it was made, such as `next`. */
function tellWhenOver(
  deps: Pick<ApiDeps, 'log' | 'context' | 'metrics'>,
  { req, res, route }: Pick<Over, 'req' | 'res' | 'route'>,
): void {
  const began = performance.now();
  const before = req.socket.bytesWritten;
  // Bound, because a reply is closed in whatever context the socket happens to be.
  res.on(
    'close',
    deps.context.bind(() => over(deps, { req, res, route, duration_ms: performance.now() - began, before })),
  );
}

interface Over {
  req: Request;
  res: Response;
  route: string;
  duration_ms: number;
  /** Bytes that the socket had written before. */
  before: number;
}

function over(
  { log, metrics }: Pick<ApiDeps, 'log' | 'metrics'>,
  { req, res, route, duration_ms, before }: Over,
): void {
  const method = METHODS.has(req.method) ? req.method : NONE;
  const status = res.headersSent ? res.statusCode : CLIENT_LEFT;
  const stream = String(res.getHeader('content-type')).startsWith('text/event-stream');
  metrics.request({ method, route, status, duration_s: duration_ms / 1_000, stream });
  // Nobody else tells of this one: it is a limit of the tenant, found where the run is stored.
  if (res.locals.failure === 'queue_full') metrics.refused('open_runs');
  const line = {
    method,
    route,
    status,
    duration_ms: Math.round(duration_ms * 10) / 10,
    bytes: req.socket.bytesWritten - before,
    ...(res.locals.failure === undefined ? {} : { code: res.locals.failure as string }),
    ...(res.writableFinished ? {} : { aborted: true }),
  };
  log[QUIET.has(route) ? 'debug' : 'info'](line, `${method} ${route} ${status}`);
}

/** Finds the pattern of an address, and the run it names. */
function patternsOf(routes: readonly Route[]): (path: string) => { route: string; run_id?: string } {
  const patterns = [...new Set(routes.map(({ path }) => path))].map((path) => ({
    path,
    matches: new RegExp(
      `^${path.replaceAll('.', String.raw`\.`).replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}/?$`,
      'i',
    ),
  }));
  return (address) => {
    for (const { path, matches } of patterns) {
      const found = matches.exec(address);
      if (found === null) continue;
      const id = path.startsWith('/v1/runs/') ? found.groups?.id : undefined;
      // Any other text there names no run, and may be anything.
      return { route: path, ...(id !== undefined && RUN_ID.test(id) ? { run_id: id } : {}) };
    }
    return { route: NONE };
  };
}
