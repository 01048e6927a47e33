import { connect } from 'node:net';
import { startApiServer, type ApiServer } from '../support/api-server';
import { checkProblem, problemIn } from '../support/problem';

let api: ApiServer;
let run_id: string;
beforeAll(async () => {
  api = await startApiServer();
  run_id = (await api.submit()).id;
});
afterAll(() => api.stop());

describe('X-Request-Id', () => {
  test.each(['abc', 'a.b_c-D9', 'x'.repeat(128)])('"%s" is taken over', async (id) => {
    const headers = { 'x-request-id': id };
    expect((await api.request('/healthz', { headers })).headers.get('x-request-id')).toBe(id);
    expect((await api.request(`/v1/runs/${run_id}`, { headers })).headers.get('x-request-id')).toBe(id);
    expect((await problemIn(await api.request('/nowhere', { headers }), 'not_found')).request_id).toBe(id);
  });

  test.each(['', 'a b', 'x'.repeat(129), '<script>', 'ä', '{"a":1}'])('"%s" is replaced', async (id) => {
    const reply = await api.request('/healthz', { headers: { 'x-request-id': id } });
    expect(reply.headers.get('x-request-id')).toMatch(/^req_[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  test('is kept with the run', async () => {
    const { id } = await api.submit({ goal: 'a' }, { 'x-request-id': 'from-the-client' });
    const rows = await api.database.db.query('select request_id from runs where id = $1', [id]);
    expect(rows).toEqual([{ request_id: 'from-the-client' }]);
  });
});

describe('address', () => {
  test.each([
    ['PUT', '/v1/runs', 'GET, HEAD, POST'],
    ['DELETE', '/v1/runs', 'GET, HEAD, POST'],
    ['POST', '/v1/runs/{id}', 'GET, HEAD, PATCH, DELETE'],
    ['POST', '/v1/runs/{id}/events', 'GET, HEAD'],
    ['GET', '/v1/runs/{id}/cancel', 'POST'],
    ['OPTIONS', '/v1/runs/{id}/cancel', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['PUT', '/readyz', 'GET, HEAD'],
  ])('takes no %s %s and says what it takes', async (method, path, allow) => {
    const reply = await api.request(path.replace('{id}', run_id), { method });
    expect(reply.headers.get('allow')).toBe(allow);
    await problemIn(reply, 'method_not_allowed');
  });

  test.each([
    '/',
    '/v1',
    '/v1/',
    '/v1/tool',
    '/v1/runs/x/pause',
    '/v1/runs/{id}/plan',
    '/docs/package.json',
    '/docs/..%2fpackage.json',
    '/errors/constructor',
  ])('%s is not served', async (path) => {
    await problemIn(await api.request(path.replace('{id}', run_id)), 'not_found');
  });

  test('of a WebSocket is not served to plain requests', async () => {
    await problemIn(await api.request(`/ws/runs/${run_id}`), 'not_found');
  });

  test.each(['/v1/runs/%zz', '/v1/runs/%', '/v1/runs/%c3%28', '/v1/runs/%ff/events'])(
    '%s is refused: it is not well encoded',
    async (path) => {
      await problemIn(await api.request(path), 'invalid_request');
    },
  );

  test.each([
    ['/v1/runs/{id}', 'text/html'],
    ['/v1/runs/{id}', 'text/event-stream'],
    ['/v1/runs/{id}/events', 'image/png'],
    ['/v1/runs/{id}/events', 'application/json;q=0, text/event-stream;q=0'],
  ])('%s does not come as %s', async (path, accept) => {
    await problemIn(
      await api.request(path.replace('{id}', run_id), { headers: { accept } }),
      'not_acceptable',
    );
  });

  test('does not take a run from a client that could not read the reply', async () => {
    const before = await api.taken();
    const reply = await api.request('/v1/runs', {
      body: { goal: 'a' },
      headers: { accept: 'text/html' },
    });
    await problemIn(reply, 'not_acceptable');
    expect(await api.taken()).toEqual(before);
  });

  test.each(['*/*', 'application/*', 'application/json', 'text/html, */*;q=0.1'])(
    'serves runs to %s',
    async (accept) => {
      const reply = await api.request(`/v1/runs/${run_id}`, { headers: { accept } });
      expect([reply.status, reply.headers.get('content-type')]).toEqual([
        200,
        'application/json; charset=utf-8',
      ]);
      expect(reply.headers.get('cache-control')).toBe('no-store');
    },
  );

  test('names neither the framework nor its version', async () => {
    const reply = await api.request('/healthz');
    expect(reply.headers.get('x-powered-by')).toBeNull();
    expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('events query', () => {
  const ask = (query: string, headers = {}) => api.request(`/v1/runs/${run_id}/events?${query}`, { headers });

  test.each(['garbage', '-1', '1.5', '1e3', '0x1', '', ' ', '1,2', '99999999999999999999', 'LAST', 'null'])(
    'after=%s is no cursor',
    async (after) => {
      await problemIn(await ask(`after=${after}`), 'invalid_cursor', { pointers: ['/query/after'] });
    },
  );

  test('two cursors are none', async () => {
    await problemIn(await ask('after=0&after=1'), 'invalid_cursor', { pointers: ['/query/after'] });
    await problemIn(await ask('after[]=0'), 'invalid_request', { pointers: ['/query/after[]'] });
  });

  test.each(['0', '501', '-1', '1.5', '1e2', '0x10', 'all', '', '%205'])(
    'limit=%s is refused',
    async (limit) => {
      const problem = await problemIn(await ask(`limit=${limit}`), 'invalid_request', {
        pointers: ['/query/limit'],
      });
      expect(problem.error.param).toBe('limit');
    },
  );

  test.each([
    ['limit=1&limit=2', '/query/limit'],
    ['types=created', '/query/types/0'],
    ['deltas=no', '/query/deltas'],
    ['__proto__=1', '/query/__proto__'],
    ['after=%00', '/query/after'],
  ])('%s is refused', async (query, pointer) => {
    const { errors } = await problemIn(await ask(query), 'invalid_request');
    expect(errors[0]!.pointer).toBe(pointer);
  });

  test('a stream has no limit', async () => {
    const headers = { accept: 'text/event-stream' };
    await problemIn(await ask('limit=5', headers), 'invalid_request', { pointers: ['/query/limit'] });
  });

  test('a cursor beyond the head is refused, and a retry is said not to help', async () => {
    for (const headers of [
      {},
      { accept: 'text/event-stream' },
      { accept: 'text/event-stream', 'last-event-id': '2' },
    ]) {
      const reply = await ask('after=999999999999999', headers);
      expect(reply.headers.get('x-should-retry')).toBe('false');
      expect((await problemIn(reply, 'cursor_ahead')).last_seq).toBe(1);
    }
  });

  test.each(['garbage', '-1', '1.5'])('Last-Event-ID: %s is no cursor', async (id) => {
    await problemIn(
      await ask('after=0', { accept: 'text/event-stream', 'last-event-id': id }),
      'invalid_cursor',
      {
        pointers: ['/header/Last-Event-ID'],
      },
    );
  });
});

describe('bytes that are no request', () => {
  test.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a header that is none', 'GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n'],
    ['headers above 16 KB', `GET /healthz HTTP/1.1\r\nHost: a\r\nX-Pad: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('are refused: %s', async (_what, bytes) => {
    const socket = connect(api.port, '127.0.0.1');
    socket.end(bytes);
    let text = '';
    for await (const part of socket) text += String(part);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 400 /);
    expect(head).toContain('application/problem+json');
    const request_id = /x-request-id: (\S+)/i.exec(head)?.[1] ?? null;
    checkProblem(body, request_id, 'invalid_request');
  });
});
