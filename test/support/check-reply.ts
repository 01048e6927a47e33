import { Problem } from '../../src/contracts/problem';
import { openApiOf } from '../../src/api/openapi';
import type { Route } from '../../src/api/route';

/** The route that serves a request, if one does. Fixed addresses win over those with a parameter. */
export function routeOf(routes: readonly Route[], method: string, path: string): Route | undefined {
  const verb = method.toLowerCase() === 'head' ? 'get' : method.toLowerCase();
  const fits = (route: Route) =>
    route.method === verb && new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path);
  return routes.filter(fits).sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
}

/** @returns what holds replies against what their routes say of themselves. @throws when one says something else. */
export function replyChecker(routes: readonly Route[]) {
  const { paths } = openApiOf(routes, { version: 'test', public_url: 'http://longhaul.test' });
  return async (method: string, url: string, reply: Response): Promise<void> => {
    const path = new URL(url, 'http://longhaul.test').pathname;
    const route = routeOf(routes, method, path);
    const said = `${method} ${path} answered ${reply.status}`;
    const type = reply.headers.get('content-type')?.split(';')[0] ?? null;
    if (reply.status >= 400 && type !== 'application/json') {
      if (type !== 'application/problem+json') throw new Error(`${said} with ${type}, no problem document.`);
      if (method !== 'HEAD') Problem.parse(await reply.clone().json());
    }
    if (route === undefined || reply.status === 304 || reply.status === 405) return;
    const documented = paths?.[route.path]?.[route.method]?.responses?.[String(reply.status) as '200'];
    if (documented === undefined) throw new Error(`${said}, which its document does not list.`);
    const schema = route.replies[reply.status]?.schema;
    if (schema === undefined || type !== 'application/json' || method === 'HEAD') return;
    const parsed = schema.safeParse(await reply.clone().json());
    if (!parsed.success) throw new Error(`${said} in another shape: ${parsed.error.message}`);
  };
}
