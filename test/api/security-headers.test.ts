import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { pagePolicy, securityHeaders } from '../../src/api/security-headers';
import { startApiServer, type ApiServer } from '../support/api-server';
import { exchange } from '../support/raw-http';
import { openSse } from '../support/stream-readers';

const POLICY = "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'";
const EXPECTED = {
  'content-security-policy': POLICY,
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

let api: ApiServer;
let run_id: string;
beforeAll(async () => {
  api = await startApiServer();
  run_id = (await api.submit()).id;
});
afterAll(() => api.stop());

const plain = (headers: Headers) => Object.fromEntries(headers.entries());

describe('Security headers are on', () => {
  test.each<[string, string, object]>([
    ['200', '/healthz', {}],
    ['202', '/v1/runs', { body: { goal: 'a' } }],
    ['400', '/v1/runs', { body: {} }],
    ['401', '/v1/runs', { headers: { authorization: null } }],
    ['404', '/nowhere', {}],
    ['405', '/healthz', { method: 'DELETE' }],
    ['406', '/healthz', { headers: { accept: 'text/html' } }],
    ['413', '/v1/runs', { body: { goal: 'x'.repeat(1_100_000) } }],
    ['415', '/v1/runs', { body: 'a', headers: { 'content-type': 'text/plain' } }],
  ])('a reply with %s', async (status, path, init) => {
    const reply = await api.request(path, init);
    await reply.arrayBuffer();
    expect(reply.status).toBe(Number(status));
    expect(plain(reply.headers)).toMatchObject(EXPECTED);
  });

  test('a reply with 500', async () => {
    const broken = jest.spyOn(api.deps.db, 'of').mockImplementation(() => {
      throw new Error('broken');
    });
    const reply = await api.request(`/v1/runs/${run_id}`);
    broken.mockRestore();
    expect(reply.status).toBe(500);
    expect(plain(reply.headers)).toMatchObject(EXPECTED);
  });

  test('a stream', async () => {
    const stream = await openSse(api, `/v1/runs/${run_id}/events`);
    expect(stream.headers).toMatchObject(EXPECTED);
    stream.drop();
  });

  test.each([
    ['bytes that are no request', 'hello\r\n\r\n'],
    ['a tunnel that is refused', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a request that is refused before it is routed', 'GET / HTTP/1.1\r\n\r\n'],
    [
      'a WebSocket that is refused',
      'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    ],
  ])('the reply to %s', async (_what, bytes) => {
    const [reply] = await exchange(api.port, bytes);
    expect(reply!.headers).toMatchObject({ ...EXPECTED, 'cache-control': 'no-store' });
  });
});

test('A page of our own may load its own files, and nothing else', async () => {
  const app = express().use(securityHeaders());
  app.get('/page', pagePolicy(), (_req, res) => void res.send('<p>'));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const reply = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/page`);
    const directives = reply.headers.get('content-security-policy')!.split(';').sort();
    expect(directives).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "font-src 'self'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "script-src 'self'",
      "style-src 'self'",
    ]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

describe('Pages of another origin', () => {
  const PAGE = 'https://app.example.com';
  let open: ApiServer;
  beforeAll(async () => (open = await startApiServer({ settings: { allowed_origins: [PAGE] } })));
  afterAll(() => open.stop());

  const preflight = (server: ApiServer, origin: string, path = '/v1/runs') =>
    server.request(path, {
      method: 'OPTIONS',
      headers: {
        authorization: null,
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    });
  const corsOf = (reply: Response) =>
    Object.fromEntries([...reply.headers].filter(([name]) => name.startsWith('access-control')));

  test('are not let in unless they are listed', async () => {
    for (const [server, origin] of [
      [api, PAGE],
      [open, 'https://evil.example.com'],
      [open, 'http://app.example.com'],
      [open, 'https://app.example.com.evil.com'],
      [open, 'null'],
    ] as const) {
      expect((await preflight(server, origin)).headers.get('access-control-allow-origin')).toBeNull();
      const reply = await server.request('/healthz', { headers: { origin } });
      expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  test.each(['/v1/runs', '/v1/runs/x', '/v1/runs/x/cancel', '/v1/runs/x/events', '/healthz'])(
    'that are listed may ask first, without a key, for %s',
    async (path) => {
      const reply = await preflight(open, PAGE, path);
      expect(reply.status).toBe(204);
      expect(reply.headers.get('vary')).toContain('Origin');
      expect(corsOf(reply)).toEqual({
        'access-control-allow-origin': PAGE,
        'access-control-allow-methods': 'GET,HEAD,POST,PATCH,DELETE',
        'access-control-allow-headers':
          'Authorization,X-API-Key,Content-Type,Idempotency-Key,Last-Event-ID,If-Match,If-None-Match,Prefer,traceparent,X-Request-Id',
        'access-control-expose-headers':
          'Location,Retry-After,ETag,RateLimit,RateLimit-Policy,X-Request-Id,Idempotent-Replayed,Link',
        'access-control-max-age': '7200',
      });
    },
  );

  test('that are listed read replies, refusals too, and never with cookies', async () => {
    for (const init of [{ body: { goal: 'a' } }, { body: {} }, { headers: { authorization: null } }]) {
      const reply = await open.request('/v1/runs', { ...init, headers: { ...init.headers, origin: PAGE } });
      expect(corsOf(reply)).toEqual({
        'access-control-allow-origin': PAGE,
        'access-control-expose-headers': expect.stringContaining('Retry-After') as string,
      });
      expect(reply.headers.get('vary')).toContain('Origin');
    }
  });

  test('get no answer that a cache may give to another origin', async () => {
    const reply = await open.request('/healthz');
    expect(reply.headers.get('vary')).toContain('Origin');
  });
});

describe('What a client says of itself', () => {
  test.each([
    ['Host', 'Host: evil.example.com'],
    ['X-Forwarded-Host', 'Host: a\r\nX-Forwarded-Host: evil.example.com\r\nX-Forwarded-Proto: https'],
    ['Forwarded', 'Host: a\r\nForwarded: host=evil.example.com'],
  ])('is in no link: %s', async (_what, lines) => {
    const body = '{"goal":"2 + 2"}';
    const head = `Authorization: Bearer ${api.keys.own}\r\nConnection: close\r\n${lines}`;
    const post = `POST /v1/runs HTTP/1.1\r\n${head}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const [taken] = await exchange(api.port, post);
    expect(taken!.status).toBe(202);
    expect(taken!.headers.location).toMatch(/^http:\/\/longhaul\.test\/v1\/runs\/run_/);
    const [refused] = await exchange(api.port, `GET /nowhere HTTP/1.1\r\n${head}\r\n\r\n`);
    for (const reply of [taken, refused]) expect(JSON.stringify(reply)).not.toContain('evil');
  });

  test('in an absolute address is in no link either', async () => {
    const [reply] = await exchange(
      api.port,
      'GET http://evil.example.com/nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );
    expect(reply!.status).toBe(404);
    expect(JSON.stringify(reply)).not.toContain('evil');
  });
});
