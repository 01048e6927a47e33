import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { LogLines, type LogLine } from '../support/log-lines';
import { complete, startedRun } from '../support/played-runs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('The log of requests', () => {
  const logs = new LogLines();
  let api: ApiServer;
  beforeAll(async () => void (api = await startApiServer({ log: (text) => logs.write(text) })));
  afterAll(() => api.stop());
  beforeEach(() => void (logs.texts.length = 0));

  const lineOf = (request_id: string) =>
    eventually(() => {
      const lines = logs.having({ request_id }).filter(({ method }) => method !== undefined);
      expect(lines.length).toBeLessThan(2);
      return lines[0];
    });
  const asked = async (path: string, init: Parameters<ApiServer['request']>[1] = {}): Promise<LogLine> => {
    const reply = await api.request(path, init);
    await reply.arrayBuffer();
    return lineOf(reply.headers.get('x-request-id')!);
  };

  test('says of a submit who asked, for which run, how it went', async () => {
    const headers = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, 'x-request-id': 'mine' };
    const run = await api.submit({ goal: '2 + 2' }, headers);
    expect(run.trace_id).toBe(TRACE);
    expect(await lineOf('mine')).toMatchObject({
      level: 'info',
      request_id: 'mine',
      trace_id: TRACE,
      tenant: 'tenant_own',
      key_id: expect.stringMatching(/^key_/) as string,
      run_id: run.id,
      method: 'POST',
      route: '/v1/runs',
      status: 202,
      duration_ms: expect.any(Number) as number,
      bytes: expect.any(Number) as number,
      msg: 'POST /v1/runs 202',
    });
    const [taken] = (await api.taken()).filter(({ id }) => id === run.id);
    expect(taken).toMatchObject({ request_id: 'mine', trace_id: TRACE });
  });

  test('shows the pattern of the address, never the address itself', async () => {
    const line = await asked('/v1/runs/hidden-word/events?after=hidden-word');
    expect(line).toMatchObject({ route: '/v1/runs/{id}/events', status: 404, code: 'not_found' });
    expect(await asked('/hidden-word?x=hidden-word')).toMatchObject({ route: 'none', status: 404 });
    expect(logs.texts.join('\n')).not.toContain('hidden-word');
  });

  test('has a line for requests without a key, and for methods that are not served', async () => {
    const line = await asked('/v1/runs', { method: 'POST', headers: { authorization: null } });
    expect(line).toMatchObject({ route: '/v1/runs', status: 401, code: 'unauthorized' });
    expect(line).not.toHaveProperty('tenant');
    expect(await asked('/v1/runs', { method: 'DELETE' })).toMatchObject({
      status: 405,
      tenant: 'tenant_own',
    });
  });

  test('counts what limits refuse, by limit', async () => {
    const small = await startApiServer({ settings: { open_runs: 1, quotas: { reads: 20 } } });
    try {
      await small.submit();
      expect((await small.request('/v1/runs', { body: { goal: '2 + 2' } })).status).toBe(429);
      for (let i = 0; i < 21; i += 1) await (await small.request('/v1/tools')).arrayBuffer();
      const text = await (await small.request('/metrics')).text();
      expect(text).toContain('rate_limit_refusals_total{limit="open_runs"} 1');
      expect(text).toContain('rate_limit_refusals_total{limit="reads"} 1');
    } finally {
      await small.stop();
    }
  });

  test('has lines of health at debug', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect(await asked(path)).toMatchObject({ level: 'debug', route: path, status: 200 });
  });

  test('keeps requests apart that come on one connection at the same time as others', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => api.submit()));
    const asks = Array.from({ length: 30 }, (_, i) => ({ run: runs[i % 3]!.id, request_id: `ask_${i}` }));
    await Promise.all(
      asks.map(async ({ run, request_id }) => {
        const headers = { 'x-request-id': request_id };
        await (await api.request(`/v1/runs/${run}`, { headers })).arrayBuffer();
      }),
    );
    for (const { run, request_id } of asks) expect(await lineOf(request_id)).toMatchObject({ run_id: run });
  });

  test.each(['headers', 'first frame'])(
    'has a line for a WebSocket once it is closed, its key in the %s',
    async (where) => {
      const run = await startedRun(api);
      const headers = where === 'headers' ? { authorization: `Bearer ${api.keys.own}` } : {};
      const ws = new WebSocket(`${api.url.replace('http', 'ws')}/ws/runs/${run.id}`, {
        headers: { ...headers, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
      });
      if (where === 'first frame')
        ws.on('open', () => ws.send(JSON.stringify({ type: 'auth', token: api.keys.own })));
      await once(ws, 'message');
      ws.close(1000);
      const route = '/ws/runs/{id}';
      const [line] = await eventually(() => {
        const lines = logs.having({ route });
        return lines.length > 0 && lines;
      });
      const known = { trace_id: TRACE, run_id: run.id, tenant: 'tenant_own', status: 101, close_code: 1000 };
      expect(line).toMatchObject(known);
      await complete(api, run.id);
    },
  );

  test('says that a client left before its reply was whole, and counts readers while they are there', async () => {
    const run = await startedRun(api);
    const readers = async () =>
      /^stream_readers\{wire="sse"\} (\d+)$/m.exec(await (await api.request('/metrics')).text())?.[1];
    const socket = connect(api.port, '127.0.0.1');
    socket.write(
      `GET /v1/runs/${run.id}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-Request-Id: leaves\r\nAuthorization: Bearer ${api.keys.own}\r\n\r\n`,
    );
    await once(socket, 'data');
    expect(await readers()).toBe('1');
    socket.destroy();
    expect(await lineOf('leaves')).toMatchObject({ status: 200, aborted: true, run_id: run.id });
    await eventually(async () => (await readers()) === '0');
    await complete(api, run.id);
  });
});
