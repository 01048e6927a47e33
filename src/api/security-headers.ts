import { IncomingMessage, ServerResponse, type OutgoingHttpHeaders } from 'node:http';
import { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

/** Nothing may be loaded by, and nothing may frame, what the API answers. */
const NOTHING = {
  defaultSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
};
/** What a page of our own needs besides: files of this server, and images in its styles. */
const OWN_FILES = {
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'"],
  connectSrc: ["'self'"],
};

/** The security headers of every reply. */
export function securityHeaders() {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: NOTHING },
    frameguard: { action: 'deny' },
  });
}

/** The policy of a page of this server, in place of the one for data. Mounted in front of what serves the page. */
export function pagePolicy(): RequestHandler {
  return helmet.contentSecurityPolicy({ useDefaults: false, directives: { ...NOTHING, ...OWN_FILES } });
}

/** The same headers for replies that Express does not write. */
export function securityHeaderLines(): OutgoingHttpHeaders {
  const req = new IncomingMessage(new Socket());
  const res = new ServerResponse(req);
  securityHeaders()(req, res, () => undefined);
  return res.getHeaders();
}
