import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadApiConfig, loadClientConfig, loadConfig } from '../../src/config';

const DATABASE = { DATABASE_URL: 'postgres://localhost/longhaul' };
const PRODUCTION = { ...DATABASE, TRUST_PROXY: 'none' };
const DEVELOPMENT = { ...DATABASE, NODE_ENV: 'development' };
const KEY = 'lh_development_key_of_this_test';

describe('Production, which is what an environment that says nothing means,', () => {
  test.each([{}, { NODE_ENV: 'production' }])('refuses a development key: %p', (env) => {
    const load = () => loadConfig({ ...DATABASE, ...env, LONGHAUL_DEVELOPMENT_KEY: KEY });
    expect(load).toThrow(/LONGHAUL_DEVELOPMENT_KEY: is refused in production .* NODE_ENV=development/);
  });

  test('refuses an API for which it is not decided whose word on addresses is taken', () => {
    expect(() => loadApiConfig(DATABASE)).toThrow(/TRUST_PROXY: is not decided. .* `none`/);
    expect(loadApiConfig(PRODUCTION).trust_proxy).toBe(false);
    // A worker serves nobody.
    expect(loadConfig(DATABASE).trust_proxy).toBe(false);
    expect(loadApiConfig(DEVELOPMENT).trust_proxy).toBe(false);
  });

  test('drains, and bounds the connections of one address; development does neither', () => {
    expect(loadApiConfig(PRODUCTION)).toMatchObject({ drain_s: 2, max_connections_per_address: 1_000 });
    expect(loadApiConfig(DEVELOPMENT)).toMatchObject({ drain_s: 0, max_connections_per_address: 20_000 });
    const given = { LONGHAUL_DRAIN_S: '0', LONGHAUL_MAX_CONNECTIONS_PER_ADDRESS: '7' };
    expect(loadApiConfig({ ...PRODUCTION, ...given })).toMatchObject({
      drain_s: 0,
      max_connections_per_address: 7,
    });
  });
});

test('Every wrong setting is named at once', () => {
  const wrong = {
    LOG_LEVEL: 'loud',
    PORT: '70000',
    LONGHAUL_ALLOWED_ORIGINS: 'https://a.example.com/path',
    LONGHAUL_DEVELOPMENT_KEY: KEY,
  };
  let message = '';
  try {
    loadApiConfig(wrong);
  } catch (error) {
    message = (error as Error).message;
  }
  const named = [...message.matchAll(/^ {2}(\w+): \S/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual(['DATABASE_URL', 'TRUST_PROXY', ...Object.keys(wrong)].sort());
});

describe('TRUST_PROXY', () => {
  const parse = (text: string) => loadApiConfig({ ...DATABASE, TRUST_PROXY: text }).trust_proxy;

  test.each([
    ['none', false],
    ['1', 1],
    ['10', 10],
    ['10.0.0.1', ['10.0.0.1']],
    ['10.0.0.0/8, fd00::/8,::1', ['10.0.0.0/8', 'fd00::/8', '::1']],
  ])('%p is taken', (text, trusted) => expect(parse(text)).toEqual(trusted));

  test.each([
    '0',
    '11',
    '-1',
    'true',
    'all',
    'loopback',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '::/129',
    '10.0.0',
    'a,b',
    ',',
  ])('%p is refused', (text) => expect(() => parse(text)).toThrow(/TRUST_PROXY: must be/));
});

describe('LONGHAUL_ALLOWED_ORIGINS', () => {
  const parse = (text: string) =>
    loadConfig({ ...DATABASE, LONGHAUL_ALLOWED_ORIGINS: text }).LONGHAUL_ALLOWED_ORIGINS;

  test.each([
    ['', []],
    ['https://a.example.com', ['https://a.example.com']],
    [' https://a.example.com , http://localhost:5173 ', ['https://a.example.com', 'http://localhost:5173']],
  ])('%p is taken', (text, origins) => expect(parse(text)).toEqual(origins));

  test.each([
    '*',
    'null',
    'a.example.com',
    'https://a.example.com/',
    'https://A.example.com',
    'ftp://a',
    'https://*.a.com/x',
  ])('%p is refused', (text) =>
    expect(() => parse(text)).toThrow(/LONGHAUL_ALLOWED_ORIGINS: must be origins/),
  );
});

describe('LONGHAUL_USD_PER_DAY', () => {
  const parse = (text: string) =>
    loadConfig({ ...DATABASE, LONGHAUL_USD_PER_DAY: text }).LONGHAUL_USD_PER_DAY;

  test.each([
    ['', undefined],
    ['0', 0],
    ['0.005', 0.005],
  ])('%p is taken', (text, usd) => expect(parse(text)).toBe(usd));

  test.each(['-1', 'NaN', '1e309', 'Infinity', '1 USD', '1,5'])('%p is refused', (text) =>
    expect(() => parse(text)).toThrow(/LONGHAUL_USD_PER_DAY: /),
  );
});

describe('The command line', () => {
  test('needs to know of the API alone, and of nothing when nothing is said', () => {
    expect(loadClientConfig({ DATABASE_URL: 'nonsense', PORT: 'x' })).toBeUndefined();
    expect(loadClientConfig({ LONGHAUL_API_URL: '', LONGHAUL_API_KEY: '' })).toBeUndefined();
    expect(loadClientConfig({ LONGHAUL_API_KEY: KEY })).toEqual({
      api_url: 'http://127.0.0.1:3000',
      key: KEY,
    });
    const api_url = 'https://example.com/longhaul';
    expect(loadClientConfig({ LONGHAUL_API_URL: `${api_url}//` })).toEqual({ api_url, key: undefined });
  });

  test('takes its key from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'longhaul-config-'));
    const LONGHAUL_API_KEY_FILE = join(folder, 'key');
    writeFileSync(LONGHAUL_API_KEY_FILE, `${KEY}\n`);
    expect(loadClientConfig({ LONGHAUL_API_KEY_FILE })?.key).toBe(KEY);
    rmSync(folder, { recursive: true });
  });

  test.each(['ftp://example.com', 'example.com:3000', 'http://'])('%s is no address of an API', (url) => {
    expect(() => loadClientConfig({ LONGHAUL_API_URL: url })).toThrow(/LONGHAUL_API_URL: must be an address/);
  });
});
