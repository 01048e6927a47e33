import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { z, type ZodType } from 'zod';
import { FAILURES, type FailureCode } from '../contracts/failure';
import { Problem } from '../contracts/problem';
import type { Reply, Route } from './route';

/** Failures that any route may answer with, and those that need a key, a limit, a write, a body. */
const ANY: FailureCode[] = ['invalid_request', 'not_acceptable', 'internal', 'unavailable'];
const KEYED: FailureCode[] = ['unauthorized', 'forbidden'];
const LIMITED: FailureCode[] = ['too_many_requests'];
const SHED: FailureCode[] = ['overloaded'];
const BODIED: FailureCode[] = ['invalid_json', 'too_deep', 'body_too_large', 'unsupported_media_type'];
/** Headers of every reply that counts against a limit (draft-ietf-httpapi-ratelimit-headers-08). */
const LIMIT_HEADERS = {
  'RateLimit-Policy': 'The limit: `"submits";q=10;w=60` is ten in sixty seconds.',
  RateLimit: 'What is left of it: `"submits";r=9;t=60` is nine, for another sixty seconds.',
};

/** The OpenAPI 3.1 document of these routes, made of the schemas that parse their requests. */
export function openApiOf(
  routes: readonly Route[],
  { version, public_url }: { version: string; public_url: string },
) {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'Longhaul',
      version,
      description: 'Runs AI work that takes long and must not be lost.',
    },
    servers: [{ url: public_url }],
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A key: `lh_…`.' },
        header: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    paths,
  });
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { operation, summary, scope, path, query, headers, body } = route;
  const params = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, z.string()] as const);
  return {
    operationId: operation,
    summary,
    ...(scope === null
      ? {}
      : { description: `Scope: \`${scope}\`.`, security: [{ bearer: [] }, { header: [] }] }),
    requestParams: {
      ...(params.length === 0 ? {} : { path: z.object(Object.fromEntries(params)) }),
      query: query as z.ZodObject,
      header: textsOf(headers),
    },
    ...(body === null ? {} : { requestBody: { content: { 'application/json': { schema: body } } } }),
    responses: { ...repliesOf(route), ...problemsOf(route) },
  };
}

function repliesOf({ replies, limit }: Route): ZodOpenApiOperationObject['responses'] {
  return Object.fromEntries(
    Object.entries(replies).map(([status, reply]) => [
      status,
      {
        description: reply.description,
        headers: textsOf({ ...(limit === null ? {} : LIMIT_HEADERS), ...reply.headers }),
        ...contentOf(reply),
      },
    ]),
  );
}

function contentOf({ schema, type = 'application/json' }: Reply) {
  if (schema === undefined && type === 'application/json') return {};
  return { content: { [type]: { schema: schema ?? z.string() } } };
}

/** One reply a status: the codes that come with it are named in its description. */
function problemsOf({ scope, limit, body, failures }: Route): ZodOpenApiOperationObject['responses'] {
  const codes = [
    ...ANY,
    ...(scope === null ? [] : KEYED),
    ...(limit === null ? [] : LIMITED),
    ...(limit === 'submits' || limit === 'writes' ? SHED : []),
    ...(body === null ? [] : BODIED),
    ...failures,
  ];
  const byStatus = new Map<string, FailureCode[]>();
  for (const code of codes) {
    const status = String((FAILURES[code] as { status?: number }).status ?? 500);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.map((code) => `\`${code}\`: ${FAILURES[code].title}.`).join(' '),
        content: { 'application/problem+json': { schema: Problem } },
      },
    ]),
  );
}

function textsOf(described: Record<string, string>): z.ZodObject {
  const texts = Object.entries(described).map(([name, description]): [string, ZodType] => [
    name,
    z.string().optional().meta({ description }),
  ]);
  return z.object(Object.fromEntries(texts));
}
