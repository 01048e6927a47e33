import type express from 'express';
import { type RequestHandler } from 'express';
import { Refusal } from '../contracts/refusal';
import { callerOf, requireScope } from './authenticate';
import { parse, readBody, refuseBody } from './body';
import type { ApiDeps } from './deps';
import { shed } from './load';
import { countRequest } from './rate-limits';
import type { Exchange, Method, Route } from './route';

const METHODS: Method[] = ['get', 'post', 'patch', 'delete'];

/** Puts routes in place. A method that an address does not have is told which ones there are. */
export function mount(router: express.IRouter, routes: readonly Route[], deps: ApiDeps): void {
  for (const path of new Set(routes.map((route) => route.path))) {
    const here = routes.filter((route) => route.path === path);
    const address = router.route(path.replace(/\{(\w+)\}/g, ':$1'));
    for (const route of here) {
      const reader = route.body === null ? [refuseBody] : readBody(deps.settings.body_limit);
      address[route.method](
        allowed(route),
        limited(route, deps),
        checked(route),
        ...reader,
        handled(route, deps),
      );
    }
    address.all(refuseMethod(METHODS.filter((method) => here.some((route) => route.method === method))));
  }
}

function refuseMethod(methods: Method[]): RequestHandler {
  const allow = methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
  return (req, res) => {
    res.setHeader('Allow', allow.join(', '));
    throw new Refusal('method_not_allowed', `${req.method} is not served at this address.`);
  };
}

/** Lets a key through that may do this. */
function allowed({ scope }: Route): RequestHandler {
  return (_req, res, next) => {
    if (scope !== null) requireScope(callerOf(res), scope);
    next();
  };
}

/** Counts the request against its limit, before anything of it is read. */
function limited({ limit, offers }: Route, deps: ApiDeps): RequestHandler {
  return async (req, res, next) => {
    if (limit === null) return next();
    if (limit === 'submits' || limit === 'writes') shed(deps.load);
    const streams = limit === 'reads' && req.accepts([...offers]) === 'text/event-stream';
    await countRequest(deps, callerOf(res), streams ? 'streams' : limit, res);
    next();
  };
}

/** What the route would pass over in silence is refused, before the body is read and before anything is done. */
function checked({ offers, query }: Route): RequestHandler {
  return (req, res, next) => {
    if (req.accepts([...offers]) === false) {
      throw new Refusal('not_acceptable', `This address answers in ${offers.join(' or ')}.`);
    }
    if (offers.length > 1) res.vary('Accept');
    res.locals.query = parse(query, { ...req.query }, '/query');
    next();
  };
}

function handled(route: Route, { db }: ApiDeps): RequestHandler {
  return async (req, res) => {
    const caller = callerOf(res);
    const exchange: Exchange<unknown, unknown> = {
      req,
      res,
      query: res.locals.query,
      body: route.body === null ? undefined : parse(route.body, req.body ?? {}),
      caller,
      records: db.of(route.scope === null ? '' : caller.tenant),
    };
    await route.handle(exchange);
  };
}
