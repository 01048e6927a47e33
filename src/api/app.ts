import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import helmet from 'helmet';
import { Refusal } from '../contracts/refusal';
import { newId } from '../db/new-id';
import { authenticate } from './authenticate';
import { readBody } from './body';
import type { ApiDeps } from './deps';
import { plain } from './plain';
import { problemHandler } from './problem';
import { cancelRoute } from './routes/cancel-run';
import { getRun } from './routes/get-run';
import { healthz, readyz } from './routes/health';
import { readEvents } from './routes/read-events';
import { startRun } from './routes/start-run';

/** Request ids of clients that are taken over; others get one of ours. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The API as an Express application; it does not listen. */
export function createApp(deps: ApiDeps): Express {
  const { settings, log } = deps;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  app.use(requestId(), helmet());

  serve(app, '/healthz', { get: [healthz()] });
  serve(app, '/readyz', { get: [readyz(deps)] });

  const v1 = express.Router();
  v1.use(neverStored(), authenticate(deps));
  const body = readBody(settings.body_limit);
  serve(v1, '/runs', { post: [plain(), ...body, startRun(deps)] });
  serve(v1, '/runs/:id', { get: [plain(), getRun(deps)] });
  serve(v1, '/runs/:id/events', { get: [readEvents(deps)] });
  serve(v1, '/runs/:id/cancel', { post: [plain(), ...body, cancelRoute(deps)] });
  app.use('/v1', v1);

  app.use(() => {
    throw new Refusal('not_found', 'Nothing is served at this address.');
  });
  app.use(problemHandler({ public_url: settings.public_url, log }));
  return app;
}

type Handlers = (RequestHandler | ErrorRequestHandler)[];

/** Puts a route's methods in place; any other method is told which ones there are. */
function serve(router: express.IRouter, path: string, methods: { get?: Handlers; post?: Handlers }): void {
  const route = router.route(path);
  if (methods.get !== undefined) route.get(...methods.get);
  if (methods.post !== undefined) route.post(...methods.post);
  const allowed = [
    ...(methods.get === undefined ? [] : ['GET', 'HEAD']),
    ...(methods.post === undefined ? [] : ['POST']),
  ];
  route.all((req, res) => {
    res.setHeader('Allow', allowed.join(', '));
    throw new Refusal('method_not_allowed', `${req.method} is not served at this address.`);
  });
}

/** A run changes at any time and belongs to one tenant: no cache on the way keeps it. */
function neverStored(): RequestHandler {
  return (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    next();
  };
}

function requestId(): RequestHandler {
  return (req, res, next) => {
    const given = req.headers['x-request-id'];
    const id = typeof given === 'string' && SANE_REQUEST_ID.test(given) ? given : newId('req');
    res.locals.request_id = id;
    res.setHeader('X-Request-Id', id);
    next();
  };
}
