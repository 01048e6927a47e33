import cors from 'cors';
import type { RequestHandler } from 'express';

/** How long a browser may keep the answer to its preflight, seconds: the longest that browsers honour. */
const PREFLIGHT_S = 7_200;
const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'];
/** Headers that pages may send. */
const SENT = [
  'Authorization',
  'X-API-Key',
  'Content-Type',
  'Idempotency-Key',
  'Last-Event-ID',
  'If-Match',
  'If-None-Match',
  'Prefer',
  'traceparent',
  'X-Request-Id',
];
/** Headers of replies that pages may read. */
const READ = [
  'Location',
  'Retry-After',
  'ETag',
  'RateLimit',
  'RateLimit-Policy',
  'X-Request-Id',
  'Idempotent-Replayed',
  'Link',
];

/**
 * Lets pages of these origins call the API, and answers their preflights, which carry no key. Without origins nothing is said
 * and browsers let no page of another origin through. Keys travel in headers, so cookies are never asked for.
 */
export function crossOrigin(allowed_origins: readonly string[]): RequestHandler {
  if (allowed_origins.length === 0) return (_req, _res, next) => next();
  return cors({
    origin: [...allowed_origins],
    methods: METHODS,
    allowedHeaders: SENT,
    exposedHeaders: READ,
    maxAge: PREFLIGHT_S,
  });
}
