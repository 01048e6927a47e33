import { allowDevelopmentKey, createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { problemIn } from '../support/problem';

const DEVELOPMENT_KEY = 'lh_development_key_of_this_test';

let api: ApiServer;
let lenient: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
  lenient = await startApiServer({ production: false });
});
afterAll(async () => {
  await api.stop();
  await lenient.stop();
});

const ask = (headers: Record<string, string | null>, server = api) =>
  server.request('/v1/runs', { body: { goal: '2 + 2' }, headers: { authorization: null, ...headers } });

describe('API key', () => {
  test('is accepted as Bearer and as X-API-Key', async () => {
    expect((await ask({ authorization: `Bearer ${api.keys.own}` })).status).toBe(202);
    expect((await ask({ authorization: `bearer  ${api.keys.own}` })).status).toBe(202);
    expect((await ask({ 'x-api-key': api.keys.own })).status).toBe(202);
    // What some clients put in by themselves does not hide the key.
    expect((await ask({ authorization: 'Basic dTpw', 'x-api-key': api.keys.own })).status).toBe(202);
  });

  test.each([
    ['missing', {}],
    ['of another scheme', { authorization: 'Basic dTpw' }],
    ['empty', { authorization: 'Bearer ' }],
    ['unknown', { authorization: `Bearer lh_${'A'.repeat(43)}` }],
    ['of another service', { authorization: 'Bearer sk-1234567890' }],
    ['huge', { 'x-api-key': `lh_${'A'.repeat(8_000)}` }],
    ['SQL', { 'x-api-key': "lh_' or 1=1 --" }],
    ['not ASCII', { 'x-api-key': 'lh_ÿþ' }],
  ])('that is %s is refused, and nothing is changed', async (_what, headers) => {
    const reply = await ask(headers as Record<string, string>);
    expect(reply.headers.get('www-authenticate')).toBe('Bearer');
    const problem = await problemIn(reply, 'unauthorized');
    expect(problem.error.type).toBe('authentication_error');
  });

  test('is asked for before anything else is said of an address', async () => {
    for (const path of ['/v1/runs/garbage', '/v1/nothing', '/v1/runs?x=1', '/v1/runs/%zz']) {
      await problemIn(await api.request(path, { headers: { authorization: null } }), 'unauthorized');
    }
  });

  test('is refused soon after it was revoked or its expiry was set to the past elsewhere', async () => {
    const { db } = api.database;
    for (const change of ["expires_at = now() - interval '1 second'", 'revoked_at = now()']) {
      const { id, secret } = await createApiKey(db, 'tenant_own', 'short-lived');
      const headers = { authorization: `Bearer ${secret}` };
      expect((await ask(headers)).status).toBe(202);
      await db.query(`update api_keys set ${change} where id = $1`, [id]);
      const refused = await eventually(
        async () => {
          const reply = await ask(headers);
          return reply.status === 202 ? undefined : reply;
        },
        { what: 'the key to be refused' },
      );
      await problemIn(refused, 'unauthorized');
    }
  });

  test('for development is refused in production only', async () => {
    await allowDevelopmentKey(api.database.db, DEVELOPMENT_KEY);
    await allowDevelopmentKey(lenient.database.db, DEVELOPMENT_KEY);
    const headers = { authorization: `Bearer ${DEVELOPMENT_KEY}` };
    await problemIn(await ask(headers), 'unauthorized');
    expect((await ask(headers, lenient)).status).toBe(202);
  });

  test('is not asked for by the health checks', async () => {
    for (const path of ['/healthz', '/readyz']) {
      expect((await api.request(path, { headers: { authorization: null } })).status).toBe(200);
    }
  });
});

describe('tenants', () => {
  test('see none of each other’s runs by any route', async () => {
    const { id } = await api.submit();
    const headers = { authorization: `Bearer ${api.keys.foreign}` };
    await problemIn(await api.request(`/v1/runs/${id}`, { headers }), 'not_found');
    await problemIn(await api.request(`/v1/runs/${id}/events`, { headers }), 'not_found');
    await problemIn(await api.request(`/v1/runs/${id}/events?after=99`, { headers }), 'not_found');
    const sse = { ...headers, accept: 'text/event-stream' };
    await problemIn(await api.request(`/v1/runs/${id}/events`, { headers: sse }), 'not_found');
    await problemIn(await api.request(`/v1/runs/${id}/cancel`, { method: 'POST', headers }), 'not_found');
  });
});
