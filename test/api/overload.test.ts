import { watchLoad } from '../../src/api/load';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { problemIn } from '../support/problem';

describe('an overloaded service', () => {
  let api: ApiServer;
  let overloaded = false;
  beforeAll(async () => {
    api = await startApiServer({ settings: { quotas: { submits: 3 } } });
    api.deps.load.overloaded = () => overloaded;
  });
  afterAll(() => api.stop());

  test('refuses writes, and goes on with reads, streams and health checks', async () => {
    const { id } = await api.submit();
    overloaded = true;
    const submits = [1, 2, 3, 4].map(() => api.request('/v1/runs', { body: 'no JSON' }));
    for (const reply of await Promise.all(submits)) {
      expect(reply.headers.get('retry-after')).toBe('2');
      await problemIn(reply, 'overloaded');
    }
    await problemIn(await api.request(`/v1/runs/${id}/cancel`, { method: 'POST' }), 'overloaded');
    for (const path of [`/v1/runs/${id}`, `/v1/runs/${id}/events`, '/healthz', '/readyz'])
      expect((await api.request(path)).status).toBe(200);
    const stream = await api.request(`/v1/runs/${id}/events`, { headers: { accept: 'text/event-stream' } });
    expect(stream.status).toBe(200);
    await stream.body?.cancel();
    overloaded = false;
    // Refused submits were not counted against the key.
    await api.submit();
    await api.submit();
  });

  test('says to a key that may not write that it may not, nothing else', async () => {
    overloaded = true;
    const { secret } = await createApiKey(api.database.db, 'tenant_own', 'reader', { scopes: ['runs:read'] });
    const headers = { authorization: `Bearer ${secret}` };
    await problemIn(await api.request('/v1/runs', { body: { goal: 'a' }, headers }), 'forbidden');
    overloaded = false;
  });
});

describe('the watch on the event loop', () => {
  const block = (ms: number) => {
    for (const until = performance.now() + ms; performance.now() < until;);
  };

  test('sees that the loop lags, and that it does no longer', async () => {
    // Far above what a busy machine shows without being blocked.
    const load = watchLoad(200);
    try {
      await eventually(
        () => {
          block(1_000);
          return load.overloaded();
        },
        { what: 'the lag to be seen' },
      );
      await eventually(() => !load.overloaded(), { what: 'the lag to be over' });
    } finally {
      load.close();
    }
  });
});
