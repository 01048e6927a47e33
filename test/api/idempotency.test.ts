import type { Run } from '../../src/contracts/run';
import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const submit = (key: string, body: unknown = { goal: '2 + 2' }, headers = {}) =>
  api.request('/v1/runs', { body, headers: { 'idempotency-key': key, ...headers } });

describe('Idempotency-Key', () => {
  test('gives the same run again and says so, however the fields are ordered', async () => {
    const first = await submit('once', { goal: 'a', metadata: { x: '1', y: '2' }, tags: ['t'] });
    const second = await submit('once', { tags: ['t'], metadata: { y: '2', x: '1' }, goal: 'a' });
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([202, null]);
    expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
    expect(second.headers.get('location')).toBe(first.headers.get('location'));
    expect(await second.json()).toEqual(await first.json());
    expect(await api.taken()).toHaveLength(1);
  });

  test('is refused with another body, and the first run is left as it is', async () => {
    const first = (await (await submit('mismatch', { goal: 'a' })).json()) as Run;
    await problemIn(await submit('mismatch', { goal: 'b' }), 'idempotency_mismatch');
    expect(await api.get(first.id)).toEqual(first);
  });

  test('makes one run of twenty requests at once', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => submit('twenty')));
    const runs = (await Promise.all(replies.map((reply) => reply.json()))) as Run[];
    expect(replies.map(({ status }) => status)).toEqual(Array(20).fill(202));
    expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
    expect(replies.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(19);
  });

  test('belongs to its tenant', async () => {
    const own = (await (await submit('shared')).json()) as Run;
    const reply = await submit('shared', { goal: 'other' }, { authorization: `Bearer ${api.keys.foreign}` });
    expect(reply.status).toBe(202);
    expect(((await reply.json()) as Run).id).not.toBe(own.id);
  });

  test('is not used up by a request that was refused', async () => {
    await problemIn(await submit('refused', { goal: '' }), 'invalid_request');
    await problemIn(await submit('refused', { goal: 'a', budget: { max_steps: 51 } }), 'invalid_request');
    expect((await submit('refused', { goal: 'a' })).headers.get('idempotent-replayed')).toBeNull();
  });

  test('may be used again when its 24 hours are over', async () => {
    const first = (await (await submit('old')).json()) as Run;
    await api.database.db.query(
      "update idempotency_keys set expires_at = now() - interval '1 s' where key = $1",
      ['old'],
    );
    const second = await submit('old', { goal: 'another' });
    expect(second.headers.get('idempotent-replayed')).toBeNull();
    expect(((await second.json()) as Run).id).not.toBe(first.id);
  });

  test.each(['', 'with space', 'ümlaut', 'x'.repeat(256)])('is refused when it is "%s"', async (key) => {
    await problemIn(await submit(key), 'invalid_request', { pointers: ['/header/Idempotency-Key'] });
  });
});
