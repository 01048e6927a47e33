import type { Request, Response } from 'express';
import type { ZodType, output } from 'zod';
import { z } from 'zod';
import type { Scope } from '../contracts/api-key';
import type { FailureCode } from '../contracts/failure';
import type { RateLimit } from '../contracts/rate-limit';
import type { ApiKey } from '../db/api-keys';
import type { Records } from '../db/database';

/**
 * One address and method of the API: what it takes, what it answers, and the code that does it. The same object is mounted on the
 * router, written into the OpenAPI document and walked by the tests, so none of them can know a route that the others lack.
 */
export interface Route {
  method: Method;
  /** As OpenAPI writes it: `/v1/runs/{id}`. */
  path: string;
  /** Name of the operation: `getRun`. */
  operation: string;
  /** One line for the reference. */
  summary: string;
  /** What the key must be allowed to do; null where no key is needed. */
  scope: Scope | null;
  /** Which limit of requests it counts against; null where none does. A stream that is read counts as `streams` all the same. */
  limit: RateLimit | null;
  /** Media types it can answer in, the preferred one first. */
  offers: readonly string[];
  query: ZodType;
  /** Null where no body is read. */
  body: ZodType | null;
  /** Request headers it heeds, by name, with what they do. */
  headers: Record<string, string>;
  /** What it answers when it succeeds, by status. */
  replies: Record<number, Reply>;
  /** Failures of its own, besides those that any route has. */
  failures: readonly FailureCode[];
  handle(exchange: Exchange<unknown, unknown>): Promise<void> | void;
}

export type Method = 'get' | 'post' | 'patch' | 'delete';

export interface Reply {
  description: string;
  /** Absent where the reply has no body. */
  schema?: ZodType;
  /** `application/json` when absent. */
  type?: string;
  /** Response headers of this reply, by name, with what they say. */
  headers?: Record<string, string>;
}

/** A request that was let through: authenticated, within its limits, parsed. */
export interface Exchange<Query, Body> {
  req: Request;
  res: Response;
  query: Query;
  body: Body;
  /** Whose key it carries. Only there when the route has a scope. */
  caller: ApiKey;
  /** The record, as far as the caller's tenant may see it. */
  records: Records;
}

const NoQuery = z.strictObject({});
type NoQuery = typeof NoQuery;

type Optional = 'limit' | 'offers' | 'query' | 'body' | 'headers' | 'failures' | 'handle';
type Definition<Q extends ZodType, B extends ZodType | null> = Omit<Route, Optional> &
  Partial<Pick<Route, 'limit' | 'offers' | 'headers' | 'failures'>> & {
    query?: Q;
    body?: B;
    handle(exchange: Exchange<output<Q>, B extends ZodType ? output<B> : undefined>): Promise<void> | void;
  };

/** A route with what is usual filled in: no query, no body, JSON. Reads count as reads, anything else as writes. */
export function route<Q extends ZodType = NoQuery, B extends ZodType | null = null>(
  definition: Definition<Q, B>,
): Route {
  const { handle, ...rest } = definition;
  const usual = definition.method === 'get' ? 'reads' : 'writes';
  return {
    limit: definition.scope === null ? null : usual,
    offers: ['application/json'],
    query: NoQuery,
    body: null,
    headers: {},
    failures: [],
    ...rest,
    // The router parses with these very schemas before it hands over.
    handle: handle as Route['handle'],
  };
}
