import type { ApiKeyView } from '../../src/contracts/api-key';
import { ApiKeyList, ApiKeyView as View, ApiKeyWithSecret } from '../../src/contracts/api-key';
import { createApiKey } from '../../src/db/api-keys';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { passTime } from '../support/pass-time';
import { problemIn } from '../support/problem';

let api: ApiServer;
/** Secrets of keys that manage the keys of a tenant. */
let admin: string;
let foreign: string;
beforeAll(async () => {
  api = await startApiServer({ settings: { quotas: { submits: 50 } } });
  const { db } = api.database;
  admin = (await createApiKey(db, 'tenant_own', 'admin', { scopes: ['admin'] })).secret;
  foreign = (await createApiKey(db, 'tenant_foreign', 'admin', { scopes: ['admin'] })).secret;
});
afterAll(() => api.stop());

const as = (secret: string) => ({ authorization: `Bearer ${secret}` });
const ask = (path: string, init: { method?: string; body?: unknown; as?: string } = {}) =>
  api.request(`/v1/api-keys${path}`, {
    ...(init.method === undefined ? {} : { method: init.method }),
    ...(init.body === undefined ? {} : { body: init.body }),
    headers: as(init.as ?? admin),
  });
const create = async (body: object = {}) => {
  const reply = await ask('', { body: { name: 'a key', scopes: ['runs:read'], ...body } });
  expect(reply.status).toBe(201);
  return ApiKeyWithSecret.parse(await reply.json());
};
const get = async (id: string) => View.parse(await (await ask(`/${id}`)).json());
/** Whether a secret is accepted: it may not read this run, or there is none. */
const accepts = async (secret: string) => {
  const reply = await api.request('/v1/runs/run_00000000000000000000000000', { headers: as(secret) });
  expect([401, 404]).toContain(reply.status);
  return reply.status === 404;
};
const refusedSoon = (secret: string) =>
  eventually(async () => !(await accepts(secret)), { what: 'the secret to be refused' });

describe('creating a key', () => {
  test('shows its secret once, and keeps no more than its hash', async () => {
    const reply = await ask('', { body: { name: 'ci', scopes: ['runs:read', 'runs:write'] } });
    expect(reply.status).toBe(201);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    const { secret, ...key } = ApiKeyWithSecret.parse(await reply.json());
    expect(reply.headers.get('location')).toBe(`http://longhaul.test/v1/api-keys/${key.id}`);
    expect(secret).toMatch(/^lh_[A-Za-z0-9_-]{43}$/);
    expect(key).toMatchObject({
      name: 'ci',
      scopes: ['runs:read', 'runs:write'],
      limits: {},
      revoked_at: null,
    });
    expect(key.prefix).toBe(secret.slice(0, 10));
    expect(await get(key.id)).toEqual(key);
    const rows = await api.database.owner.query('select * from api_keys');
    expect(JSON.stringify(rows)).not.toContain(secret.slice(0, 20));
    expect(await accepts(secret)).toBe(true);
  });

  test('makes it of the tenant of the key that asks, which nothing in the request can name', async () => {
    const body = { name: 'x', scopes: ['runs:read'], tenant: 'tenant_foreign' };
    await problemIn(await ask('', { body }), 'invalid_request', { pointers: ['/tenant'] });
    const headers = { ...as(admin), 'x-tenant': 'tenant_foreign', 'x-tenant-id': 'tenant_foreign' };
    const reply = await api.request('/v1/api-keys?', { body: { name: 'x', scopes: ['runs:read'] }, headers });
    const { id } = (await reply.json()) as ApiKeyView;
    const rows = await api.database.db.query('select tenant from api_keys where id = $1', [id]);
    expect(rows).toEqual([{ tenant: 'tenant_own' }]);
    const asked = await ask('?tenant=tenant_foreign');
    await problemIn(asked, 'invalid_request', { pointers: ['/query/tenant'] });
  });

  test('lets an admin give scopes that its own key does not have', async () => {
    const { secret } = await create({ scopes: ['runs:write', 'admin'] });
    expect((await ask('', { as: secret, body: { name: 'x', scopes: ['tools:write'] } })).status).toBe(201);
  });

  test.each([
    [{}, ['/name', '/scopes']],
    [{ name: '', scopes: ['admin'] }, ['/name']],
    [{ name: ' ', scopes: ['admin'] }, ['/name']],
    [{ name: 'x'.repeat(101), scopes: ['admin'] }, ['/name']],
    [{ name: 'a\0b', scopes: ['admin'] }, ['/name']],
    [{ name: 'x', scopes: [] }, ['/scopes']],
    [{ name: 'x', scopes: ['root'] }, ['/scopes/0']],
    [{ name: 'x', scopes: 7 }, ['/scopes']],
    [{ name: 'x', scopes: ['admin'], expires_at: '2020-01-01T00:00:00Z' }, ['/expires_at']],
    [{ name: 'x', scopes: ['admin'], expires_at: 'tomorrow' }, ['/expires_at']],
    [{ name: 'x', scopes: ['admin'], expires_in_s: 0 }, ['/expires_in_s']],
    [{ name: 'x', scopes: ['admin'], expires_in_s: 1e12 }, ['/expires_in_s']],
    [
      { name: 'x', scopes: ['admin'], expires_in_s: 5, expires_at: '2999-01-01T00:00:00Z' },
      ['/expires_in_s'],
    ],
    [{ name: 'x', scopes: ['admin'], limits: { submits: 0 } }, ['/limits/submits']],
    [{ name: 'x', scopes: ['admin'], limits: { queries: 1 } }, ['/limits/queries']],
    [{ name: 'x', scopes: ['admin'], limits: { usd_per_day: -0.01 } }, ['/limits/usd_per_day']],
    [{ name: 'x', scopes: ['admin'], limits: { usd_per_day: 1_000_001 } }, ['/limits/usd_per_day']],
    [{ name: 'x', scopes: ['admin'], limits: { usd_per_day: '1' } }, ['/limits/usd_per_day']],
    [{ name: 'x', scopes: ['admin'], limits: { usd_per_day: null } }, ['/limits/usd_per_day']],
    [{ name: 'x', scopes: ['admin'], secret: 'lh_mine' }, ['/secret']],
  ])('refuses %j', async (body, pointers) => {
    await problemIn(await ask('', { body }), 'invalid_request', { pointers });
  });

  test('gives no limit above that of the key that asks', async () => {
    const body = { name: 'x', scopes: ['runs:write'], limits: { submits: 51, reads: 5 } };
    await problemIn(await ask('', { body }), 'invalid_request', { pointers: ['/limits/submits'] });
    expect((await create({ limits: { submits: 50 } })).limits).toEqual({ submits: 50 });
    const wide = { scopes: ['admin' as const], limits: { submits: 80 } };
    const { secret } = await createApiKey(api.database.db, 'tenant_own', 'wide', wide);
    expect((await ask('', { as: secret, body })).status).toBe(201);
  });

  test('hands its own limits on where nothing is said: a key without limits would be a way around them', async () => {
    const scopes = ['admin' as const];
    const limits = { usd_per_day: 1, submits: 10, reads: 1_000_000 };
    const { secret } = await createApiKey(api.database.db, 'tenant_own', 'narrow', { scopes, limits });
    const give = async (more: object) =>
      ask('', { as: secret, body: { name: 'x', scopes: ['runs:write'], ...more } });
    const given = async (more: object) => ApiKeyWithSecret.parse(await (await give(more)).json()).limits;
    expect(await given({})).toEqual({ usd_per_day: 1, submits: 10 });
    expect(await given({ limits: { usd_per_day: 0 } })).toEqual({ usd_per_day: 0, submits: 10 });
    await problemIn(await give({ limits: { usd_per_day: 1.01 } }), 'invalid_request', {
      pointers: ['/limits/usd_per_day'],
    });
  });

  test('stops at a hundred keys of a tenant that are accepted, however many ask at once', async () => {
    const { db } = api.database;
    const many = { scopes: ['admin' as const] };
    const first = await createApiKey(db, 'tenant_many', 'first', many);
    for (let i = 0; i < 95; i += 1) await createApiKey(db, 'tenant_many', `${i}`);
    const body = { name: 'more', scopes: ['runs:read'] };
    const replies = await Promise.all(Array.from({ length: 12 }, () => ask('', { as: first.secret, body })));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(4);
    await problemIn(
      replies.find(({ status }) => status !== 201)!,
      'too_many_keys',
    );
    const { id } = ApiKeyWithSecret.parse(await replies.find(({ status }) => status === 201)!.json());
    expect((await ask(`/${id}`, { method: 'DELETE', as: first.secret })).status).toBe(204);
    expect((await ask('', { as: first.secret, body })).status).toBe(201);
  });
});

describe('the end of a key', () => {
  test('comes at its expiry, by the clock of the database', async () => {
    const { id, secret, expires_at } = await create({ expires_in_s: 3_600 });
    expect(Date.parse(expires_at!)).toBeGreaterThan(Date.now() + 3_500_000);
    expect(await accepts(secret)).toBe(true);
    const expireIn = (ms: number) =>
      api.database.db.query(
        "update api_keys set expires_at = clock_timestamp() + $2 * interval '1 millisecond' where id = $1",
        [id, ms],
      );
    await eventually(
      async () => {
        await expireIn(1_000);
        api.deps.forgetKey(id);
        return accepts(secret);
      },
      { what: 'the key to be looked up before it expires' },
    );
    await expireIn(0);
    // Remembered until the expiry that was looked up, and no longer.
    passTime(1_000);
    expect(await accepts(secret)).toBe(false);
  });

  test('comes by revocation: here at once, in another process soon', async () => {
    const other = await startApiServer({ database: api.database });
    try {
      const { id, secret } = await create({ scopes: ['runs:read'] });
      const elsewhere = () =>
        other.request('/v1/runs/run_00000000000000000000000000', { headers: as(secret) });
      expect(await accepts(secret)).toBe(true);
      expect((await elsewhere()).status).toBe(404);
      const reply = await ask(`/${id}`, { method: 'DELETE' });
      expect([reply.status, await reply.text()]).toEqual([204, '']);
      expect(await accepts(secret)).toBe(false);
      await eventually(async () => (await elsewhere()).status === 401);
      const { revoked_at } = await get(id);
      expect(revoked_at).not.toBeNull();
      expect((await ask(`/${id}`, { method: 'DELETE' })).status).toBe(204);
      expect((await get(id)).revoked_at).toBe(revoked_at);
      await problemIn(await ask(`/${id}/rotate`, { method: 'POST' }), 'key_over');
    } finally {
      await other.stop();
    }
  });
});

describe('rotating a key', () => {
  const rotate = async (id: string, body?: object) => {
    const reply = await ask(`/${id}/rotate`, { method: 'POST', body });
    expect(reply.status).toBe(200);
    return ApiKeyWithSecret.parse(await reply.json());
  };

  test('leaves two secrets that are accepted, then one', async () => {
    const old = await create();
    const { secret, ...key } = await rotate(old.id);
    expect(key).toEqual({
      ...(await get(old.id)),
      prefix: secret.slice(0, 10),
      previous: { prefix: old.prefix, expires_at: expect.any(String) },
    });
    expect(Date.parse(key.previous!.expires_at)).toBeGreaterThan(Date.now() + 86_000_000);
    expect([await accepts(old.secret), await accepts(secret)]).toEqual([true, true]);
    await api.database.db.query('update api_keys set previous_expires_at = now() where id = $1', [old.id]);
    await refusedSoon(old.secret);
    expect(await accepts(secret)).toBe(true);
    expect((await get(old.id)).previous).toBeNull();
  });

  test('ends the secret of an earlier rotation, so that there are never three', async () => {
    const first = await create();
    const second = await rotate(first.id, { old_expires_in_s: 600 });
    const third = await rotate(first.id, { old_expires_in_s: 600 });
    const all = [first, second, third].map(({ secret }) => accepts(secret));
    expect(await Promise.all(all)).toEqual([false, true, true]);
  });

  test('ends the old secret at once when told so, and revoking ends both', async () => {
    const first = await create();
    expect(await accepts(first.secret)).toBe(true);
    const second = await rotate(first.id, { old_expires_in_s: 0 });
    expect([await accepts(first.secret), await accepts(second.secret)]).toEqual([false, true]);
    const third = await rotate(first.id, { old_expires_in_s: 600 });
    expect((await ask(`/${first.id}`, { method: 'DELETE' })).status).toBe(204);
    expect([await accepts(second.secret), await accepts(third.secret)]).toEqual([false, false]);
  });

  test.each([[{ old_expires_in_s: -1 }], [{ old_expires_in_s: 2_592_001 }], [{ old_expires_in_s: '1' }]])(
    'refuses %j',
    async (body) => {
      const { id } = await create();
      const pointers = ['/old_expires_in_s'];
      await problemIn(await ask(`/${id}/rotate`, { body }), 'invalid_request', { pointers });
    },
  );
});

describe('listing keys', () => {
  test('goes through all of a tenant, the newest first, forwards and back', async () => {
    const { db } = api.database;
    const { secret } = await createApiKey(db, 'tenant_list', '0', { scopes: ['admin'] });
    for (let i = 1; i < 5; i += 1) await createApiKey(db, 'tenant_list', `${i}`);
    const page = async (query: string) => ApiKeyList.parse(await (await ask(query, { as: secret })).json());
    const names = ({ data }: ApiKeyList) => data.map(({ name }) => name).join('');
    const all = await page('');
    expect([names(all), all.has_more]).toEqual(['43210', false]);
    const first = await page('?limit=2');
    expect([names(first), first.has_more]).toEqual(['43', true]);
    const second = await page(`?limit=2&after=${first.last_id}`);
    expect([names(second), second.has_more]).toEqual(['21', true]);
    const third = await page(`?limit=2&after=${second.last_id}`);
    expect([names(third), third.has_more]).toEqual(['0', false]);
    const back = await page(`?limit=2&before=${third.first_id}`);
    expect([names(back), back.has_more]).toEqual(['21', true]);
    expect(JSON.stringify(all)).not.toMatch(/secret|hash/);
  });

  test.each([
    ['?limit=0', '/query/limit'],
    ['?limit=101', '/query/limit'],
    ['?after=x', '/query/after'],
    ['?after=key_00000000000000000000000000&before=key_00000000000000000000000000', '/query/before'],
  ])('refuses %s', async (query, pointer) => {
    await problemIn(await ask(query), 'invalid_request', { pointers: [pointer] });
  });
});

describe('a key of another tenant', () => {
  test('is as unknown as one that never was', async () => {
    const { id, secret } = await create();
    const unknown = 'key_00000000000000000000000000';
    const shapes = [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ] as const;
    for (const [method, path] of shapes) {
      const bodies = [];
      for (const asked of [id, unknown, 'nonsense', '%00']) {
        const { detail, code } = await problemIn(
          await ask(`/${asked}${path}`, { method, as: foreign }),
          'not_found',
        );
        bodies.push({ detail, code });
      }
      expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
    }
    expect(await accepts(secret)).toBe(true);
    const list = ApiKeyList.parse(await (await ask('', { as: foreign })).json());
    expect(list.data.map((key) => key.id)).not.toContain(id);
  });
});

test('the last use of a key is noted, at most once a minute', async () => {
  const noted = async () => {
    const server = await startApiServer({ database: api.database });
    const { id, secret } = key;
    await server.request('/healthz', { headers: as(secret) });
    await server.request('/v1/runs/x', { headers: as(secret) });
    await server.stop(); // a process that ends notes what it has not noted yet
    return (await get(id)).last_used_at;
  };
  const key = await create();
  expect(key.last_used_at).toBeNull();
  const first = await noted();
  expect(first).not.toBeNull();
  expect(await noted()).toBe(first);
  const { db } = api.database;
  await db.query(`update api_keys set last_used_at = now() - interval '61 seconds' where id = $1`, [key.id]);
  expect(Date.parse((await noted())!)).toBeGreaterThanOrEqual(Date.parse(first!));
});
