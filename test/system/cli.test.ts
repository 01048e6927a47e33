import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client } from 'pg';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { newRun } from '../support/runs';

const BIN = join(__dirname, '..', '..', 'bin', 'longhaul.cjs');

let api: ApiServer;
beforeAll(async () => void (api = await startApiServer()));
afterAll(() => api.stop());

/** Runs the command line as an operator does. */
async function longhaul(args: string, env: Record<string, string | undefined> = {}) {
  const child = spawn(process.execPath, [BIN, ...args.split(' ').filter(Boolean)], {
    env: { ...process.env, DATABASE_URL: api.database.url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: code as number, out, err };
}
const statusOf = async (secret: string, path = '/v1/runs/x') =>
  (await api.request(path, { headers: { authorization: `Bearer ${secret}` } })).status;

test('a key is created, listed, rotated and revoked', async () => {
  const created = await longhaul(
    'keys create --tenant acme --name ci --scopes runs:read,admin --expires 30d',
  );
  expect(created.code).toBe(0);
  expect(created.out).toMatch(/^lh_[A-Za-z0-9_-]{43}\n$/);
  const secret = created.out.trim();
  expect(created.err).not.toContain(secret);
  expect(await statusOf(secret)).toBe(404);
  expect(await statusOf(secret, '/v1/api-keys')).toBe(200);

  const listed = await longhaul('keys list --tenant acme -o json');
  const [key, ...more] = JSON.parse(listed.out) as { id: string; scopes: string[]; expires_at: string }[];
  expect(more).toEqual([]);
  expect(key!.scopes).toEqual(['runs:read', 'admin']);
  expect((Date.parse(key!.expires_at) - Date.now()) / 86_400_000).toBeCloseTo(30, 1);
  expect(listed.out).not.toContain(secret.slice(0, 20));
  const table = await longhaul('keys list');
  expect(table.out).toMatch(
    new RegExp(`^${key!.id} +acme +ci +${secret.slice(0, 10)} +runs:read,admin +until`, 'm'),
  );

  const rotated = await longhaul(`keys rotate ${key!.id} --overlap 1h`);
  expect([rotated.code, await statusOf(secret), await statusOf(rotated.out.trim())]).toEqual([0, 404, 404]);

  const revoked = await longhaul(`keys revoke ${key!.id}`);
  expect([revoked.code, revoked.out]).toEqual([0, '']);
  await eventually(
    async () => (await statusOf(secret)) === 401 && (await statusOf(rotated.out.trim())) === 401,
  );
  expect((await longhaul('keys list --tenant acme')).out).toContain('revoked');
  const again = await longhaul(`keys rotate ${key!.id}`);
  expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('revoked') });
});

test('a key has what it was given as JSON, and limits of its own', async () => {
  const args = 'keys create --tenant acme --name big --limit submits=500 --limit reads=9 -o json';
  const { out, code } = await longhaul(args);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    tenant: 'acme',
    limits: { submits: 500, reads: 9 },
    expires_at: null,
  });
});

test.each([
  ['', 'Usage'],
  ['keys', 'Usage'],
  ['nonsense', 'unknown command'],
  ['keys create --tenant acme', '--name'],
  ['keys create --name x', '--tenant'],
  ['keys create --tenant a/b --name x', 'letters, digits'],
  ['keys create --tenant acme --name x --scopes root', 'is no scope'],
  ['keys create --tenant acme --name x --expires soon', '30d'],
  ['keys create --tenant acme --name x --expires 4000d', '3650d'],
  ['keys create --tenant acme --name x --limit submits', 'submits=100'],
  ['keys create --tenant acme --name x --limit queries=1', 'submits=100'],
  ['keys list -o yaml', 'text, json'],
  ['keys revoke', 'id'],
  ['keys rotate x --overlap 31d', '30d'],
])('"longhaul %s" is a wrong use', async (args, words) => {
  const ended = await longhaul(args);
  expect(ended).toMatchObject({ code: 2, out: '' });
  expect(ended.err).toContain(words);
});

test('what is not there, not set or not reached is said', async () => {
  const unknown = await longhaul('keys revoke key_00000000000000000000000000');
  expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('There is no key') });
  const unset = await longhaul('keys list', { DATABASE_URL: undefined });
  expect(unset).toMatchObject({ code: 2, err: expect.stringContaining('DATABASE_URL') });
  const away = await longhaul('keys list', { DATABASE_URL: 'postgres://a@127.0.0.1:1/a' });
  expect(away).toMatchObject({ code: 1, err: expect.stringContaining('cannot be reached') });
  const wrong = new URL(api.database.url);
  wrong.password = 'wrong';
  const refused = await longhaul('keys list', { DATABASE_URL: wrong.href });
  expect(refused).toMatchObject({ code: 4, err: expect.stringContaining('does not allow') });
  expect(refused.err).not.toMatch(/wrong@|\bat \S+ \(/);
});

test('the schema is checked and brought up to date', async () => {
  const server = new URL(api.database.url);
  const name = `${server.pathname.slice(1)}_new`;
  const client = new Client({ connectionString: server.href });
  await client.connect();
  await client.query(`create database ${name}`);
  try {
    const DATABASE_URL = new URL(`/${name}`, server).href;
    const lacking = await longhaul('migrate --check', { DATABASE_URL });
    expect(lacking.code).toBe(1);
    expect(lacking.out).toContain('0001_spine.sql\n');
    const early = await longhaul('keys list', { DATABASE_URL });
    expect(early).toMatchObject({ code: 1, err: expect.stringContaining('longhaul migrate') });
    expect(await longhaul('migrate', { DATABASE_URL })).toMatchObject({ code: 0, out: lacking.out });
    expect(await longhaul('migrate --check', { DATABASE_URL })).toMatchObject({ code: 0, out: '' });
    expect(await longhaul('migrate', { DATABASE_URL })).toMatchObject({ code: 0, out: '' });
    expect((await longhaul('keys list', { DATABASE_URL })).code).toBe(0);
  } finally {
    await client.query(`drop database ${name} with (force)`);
    await client.end();
  }
});

test('open runs are said to belong to another Temporal', async () => {
  const id = '0f3c0e9b-6f1e-4b0e-9d0c-3f2f3c1f7a55';
  const run_id = await newRun(api.database.db, { tenant: 'adopted' });
  const adopted = await longhaul(`temporal adopt ${id.toUpperCase()}`);
  expect(adopted).toMatchObject({ code: 0, out: '' });
  expect(adopted.err).toMatch(
    /^\d+ open runs that belonged to another namespace belong to 0f3c0e9b-\S+ now\.\n$/,
  );
  const rows = await api.database.db.query('select temporal_namespace from runs where id = $1', [run_id]);
  expect(rows).toEqual([{ temporal_namespace: id }]);
  expect((await longhaul(`temporal adopt ${id}`)).err).toMatch(/^0 open runs/);
  for (const wrong of ['temporal adopt', 'temporal adopt default'])
    expect((await longhaul(wrong)).code).toBe(2);
});
