import { FAILURES } from '../../src/contracts/failure';
import { createApp } from '../../src/api/app';
import { openApiOf } from '../../src/api/openapi';
import { routesOf } from '../../src/api/routes';
import { startApiServer, type ApiServer } from '../support/api-server';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const html = async (path: string) => {
  const reply = await api.request(path, { headers: { authorization: null } });
  expect([reply.status, reply.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  return { text: await reply.text(), policy: reply.headers.get('content-security-policy')! };
};
/** What a page loads or leads to. */
const referencesIn = (text: string) =>
  [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address!);

describe('/version', () => {
  test('names the release, without a key', async () => {
    const reply = await api.request('/version', { headers: { authorization: null } });
    expect(await reply.json()).toEqual({ name: 'longhaul', version: '0.0.0-test', node: process.version });
  });
});

describe('/errors', () => {
  test('lists every code', async () => {
    const { text } = await html('/errors');
    expect(referencesIn(text)).toEqual(Object.keys(FAILURES).map((code) => `/errors/${code}`));
  });

  test.each(Object.entries(FAILURES))('/errors/%s says what it means and what to do', async (code, entry) => {
    const { text, policy } = await html(`/errors/${code}`);
    const plain = text
      .replace(/<[^>]*>/g, '')
      .replace(
        /&(lt|gt|quot|#39|amp);/g,
        (_whole, name: string) => ({ lt: '<', gt: '>', quot: '"', '#39': "'", amp: '&' })[name]!,
      );
    expect(plain).toContain(code);
    expect(plain).toContain(entry.title);
    expect(plain).toContain(entry.hint.replaceAll('`', '')); // what stands between them is marked as code
    if ('status' in entry) expect(plain).toContain(`HTTP status ${entry.status}`);
    // No tag of a text's own, no script, no style.
    const tags = new Set([...text.matchAll(/<\/?([a-z0-9!]+)/gi)].map(([, name]) => name));
    expect(
      [...tags].filter(
        (name) => !'!doctype html head meta title body h1 p strong a code'.split(' ').includes(name!),
      ),
    ).toEqual([]);
    expect(policy).toMatch(/^default-src 'none';(?!.*script-src)/);
  });
});

describe('/docs', () => {
  test('loads only files that are served here, and its policy allows no others', async () => {
    const { text, policy } = await html('/docs');
    const files = referencesIn(text);
    expect(files).toHaveLength(3);
    for (const file of files) {
      const reply = await api.request(file, { headers: { authorization: null } });
      const type = file.endsWith('.css') ? 'text/css' : 'text/javascript';
      expect([file, reply.status, reply.headers.get('content-type')]).toEqual([
        file,
        200,
        `${type}; charset=utf-8`,
      ]);
      expect((await reply.text()).length).toBeGreaterThan(50);
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect(text).not.toMatch(/<script>|<script [^>]*>[^<]|on\w+=|https?:\/\/|style=/);
    expect(policy).toMatch(/^default-src 'none';.*script-src 'self'(;|$)/);
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
    const start = await (await api.request('/docs/start.js')).text();
    expect(start).toContain("url: '/openapi.json'");
    expect(start).toContain('validatorUrl: null');
  });
});

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
}
const METHODS = ['get', 'post', 'patch', 'delete', 'put', 'head', 'options'];

/** Method and address of whatever the router of Express serves, in the words of the document. */
function served(): string[] {
  const { stack } = (createApp(api.deps) as unknown as { router: { stack: Layer[] } }).router;
  return stack.flatMap(({ route }) => {
    if (route === undefined) return [];
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    return METHODS.filter((method) => route.methods[method]).map((method) => `${method} ${path}`);
  });
}

describe('/openapi.json', () => {
  test('has what the router serves, and nothing else', async () => {
    const reply = await api.request('/openapi.json', { headers: { authorization: null } });
    const { openapi, paths } = (await reply.json()) as { openapi: string; paths: Record<string, object> };
    expect(openapi).toBe('3.1.0');
    const documented = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    );
    expect(documented.sort()).toEqual(served().sort());
    expect(documented.length).toBeGreaterThan(20);
  });

  test('is the document that replies are held against, with no reference into nothing', async () => {
    const text = await (await api.request('/openapi.json')).text();
    expect(JSON.parse(text)).toEqual(
      JSON.parse(JSON.stringify(openApiOf(routesOf(api.deps), api.deps.settings))),
    );
    const { components } = JSON.parse(text) as { components: { schemas: object } };
    const references = new Set(
      [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!),
    );
    expect(references.size).toBeGreaterThan(10);
    for (const name of references) expect(Object.keys(components.schemas)).toContain(name);
  });

  test('names each operation once, and says of each which key it needs', async () => {
    const document = (await (await api.request('/openapi.json')).json()) as {
      paths: Record<string, Record<string, { operationId: string; summary: string; security?: object[] }>>;
    };
    const operations = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.values(item).map((operation) => ({ path, ...operation })),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { path, security, summary } of operations) {
      expect([path, security !== undefined]).toEqual([path, path.startsWith('/v1')]);
      expect(summary).toMatch(/\.$/);
    }
  });
});
