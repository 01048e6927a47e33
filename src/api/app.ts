import express, { type Express, type RequestHandler } from 'express';
import { Refusal } from '../contracts/refusal';
import { newId } from '../db/new-id';
import { authenticate } from './authenticate';
import { crossOrigin } from './cross-origin';
import type { ApiDeps } from './deps';
import { mount } from './mount';
import { problemHandler } from './problem';
import { requestLog } from './request-log';
import { routesOf } from './routes';
import { securityHeaders } from './security-headers';

/** Request ids of clients that are taken over; others get one of ours. */
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** The API as an Express application; it does not listen. */
export function createApp(deps: ApiDeps): Express {
  const { settings, log } = deps;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', 'simple');
  app.set('trust proxy', settings.trust_proxy);
  const routes = routesOf(deps);
  app.use(requestId(), requestLog(deps, routes), securityHeaders(), crossOrigin(settings.allowed_origins));

  app.use('/v1', neverStored(), authenticate(deps));
  mount(app, routes, deps);

  app.use(() => {
    throw new Refusal('not_found', 'Nothing is served at this address.');
  });
  app.use(problemHandler({ public_url: settings.public_url, log }));
  return app;
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
