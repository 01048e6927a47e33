import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Refusal } from '../../contracts/refusal';
import type { ApiDeps } from '../deps';
import { openApiOf } from '../openapi';
import { route, type Route } from '../route';
import { pagePolicy } from '../security-headers';

/** The files of the page that come from its package, and no other: it also holds what would call home. */
const FILES = { 'swagger-ui.css': 'css', 'swagger-ui-bundle.js': 'js' } as const;

/** Without a script in the page itself: the policy allows only files of ours. */
const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Longhaul API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="docs"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null });\n`;

/** @param routes all routes, these included; asked when the document is made */
export function openApi({ settings }: ApiDeps, routes: () => readonly Route[]) {
  let document: string | undefined;
  return route({
    method: 'get',
    path: '/openapi.json',
    operation: 'openApi',
    summary: 'This document.',
    scope: null,
    replies: { 200: { description: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) } },
    handle({ res }) {
      document ??= JSON.stringify(openApiOf(routes(), settings));
      res.type('application/json').send(document);
    },
  });
}

export function docs() {
  return route({
    method: 'get',
    path: '/docs',
    operation: 'docs',
    summary: 'The reference as a page that tries requests; works without the internet.',
    scope: null,
    offers: ['text/html'],
    replies: { 200: { description: 'A page.', type: 'text/html' } },
    handle({ req, res }) {
      pagePolicy()(req, res, () => undefined);
      res.type('html').send(PAGE);
    },
  });
}

export function docsFile() {
  const folder = join(require.resolve('swagger-ui-dist/package.json'), '..');
  return route({
    method: 'get',
    path: '/docs/{file}',
    operation: 'docsFile',
    summary: 'A file of that page.',
    scope: null,
    offers: ['text/css', 'text/javascript'],
    replies: { 200: { description: 'The file.', type: 'text/javascript' } },
    failures: ['not_found'],
    handle({ req, res }) {
      const name = String(req.params.file);
      if (name === 'start.js') return void res.type('js').send(START);
      if (!Object.hasOwn(FILES, name)) throw new Refusal('not_found', 'The page has no such file.');
      res.type(FILES[name as keyof typeof FILES]).send(readFileSync(join(folder, name)));
    },
  });
}
