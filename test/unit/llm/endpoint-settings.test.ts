import { loadConfig } from '../../../src/config';

const SECRET = 'sk-secret-0123456789';
const load = (env: Record<string, string>) =>
  loadConfig({ DATABASE_URL: 'postgres://localhost/longhaul', ...env }).model_endpoints;
/** What a start with these settings says. @throws Error when it starts */
function wrong(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('These settings were taken.');
}

const OPENAI = 'https://api.openai.com/v1';
const LIMITS = { timeout_s: 120, max_parallel: 32, per_minute: null };

describe('Model endpoints', () => {
  test('are none when nothing is set', () => expect(load({})).toEqual([]));

  test("are OpenAI's own when only its key is set", () => {
    const asked = { base_url: OPENAI, api_key: SECRET, ...LIMITS };
    expect(load({ OPENAI_API_KEY: SECRET })).toEqual([
      { name: 'small/1', tier: 'small', model: 'gpt-4.1-mini', ...asked },
      { name: 'medium/1', tier: 'medium', model: 'gpt-4.1', ...asked },
    ]);
  });

  test('are those that have names, and no others', () => {
    const endpoints = load({ OPENAI_API_KEY: SECRET, LONGHAUL_MODEL_LARGE: 'o3' });
    expect(endpoints).toEqual([
      { name: 'large/1', tier: 'large', model: 'o3', base_url: OPENAI, api_key: SECRET, ...LIMITS },
    ]);
  });

  test('may be asked at a server of your own, which needs no key', () => {
    const local = { OPENAI_BASE_URL: 'http://localhost:11434/v1/', LONGHAUL_MODEL_SMALL: 'qwen3:8b' };
    expect(load(local)).toEqual([
      {
        name: 'small/1',
        tier: 'small',
        model: 'qwen3:8b',
        base_url: 'http://localhost:11434/v1',
        api_key: 'none',
        ...LIMITS,
      },
    ]);
    expect(load({ ...local, OPENAI_API_KEY: SECRET })).toMatchObject([{ api_key: SECRET }]);
  });

  test('may be a list for each tier; the key of one address never goes to another', () => {
    const LONGHAUL_MODELS = `
      medium: [{model: b, base_url: https://b.example.com/v1, api_key: sk-of-b}]
      small:
        - {model: a, timeout_s: 30, max_parallel: 2, per_minute: 60}
        - {model: c, base_url: http://10.0.0.7:8000/v1}
    `;
    expect(load({ OPENAI_API_KEY: SECRET, LONGHAUL_MODELS, LONGHAUL_MODEL_LARGE: 'd' })).toEqual([
      {
        name: 'small/1',
        tier: 'small',
        model: 'a',
        base_url: OPENAI,
        api_key: SECRET,
        timeout_s: 30,
        max_parallel: 2,
        per_minute: 60,
      },
      {
        name: 'small/2',
        tier: 'small',
        model: 'c',
        base_url: 'http://10.0.0.7:8000/v1',
        api_key: 'none',
        ...LIMITS,
      },
      {
        name: 'medium/1',
        tier: 'medium',
        model: 'b',
        base_url: 'https://b.example.com/v1',
        api_key: 'sk-of-b',
        ...LIMITS,
      },
      { name: 'large/1', tier: 'large', model: 'd', base_url: OPENAI, api_key: SECRET, ...LIMITS },
    ]);
  });

  test('of the list are all there are: the key of OpenAI adds none', () => {
    expect(load({ OPENAI_API_KEY: SECRET, LONGHAUL_MODELS: 'small: [{model: a}]' })).toHaveLength(1);
  });
});

describe('A start is refused', () => {
  test('for an address without a model', () => {
    const message = wrong({ OPENAI_BASE_URL: 'http://localhost:8000/v1', OPENAI_API_KEY: SECRET });
    expect(message).toMatch(/OPENAI_BASE_URL: .* Set LONGHAUL_MODEL_SMALL/);
  });

  test('for models at OpenAI without a key', () => {
    expect(wrong({ LONGHAUL_MODEL_SMALL: 'gpt-5' })).toMatch(
      /OPENAI_API_KEY: must be set.*gpt-5 \(small\/1\)/,
    );
    expect(wrong({ LONGHAUL_MODELS: 'small: [{model: a}]' })).toMatch(/OPENAI_API_KEY: must be set/);
  });

  test('for a tier that is set in two ways', () => {
    const twice = {
      OPENAI_API_KEY: SECRET,
      LONGHAUL_MODEL_SMALL: 'a',
      LONGHAUL_MODELS: 'small: [{model: b}]',
    };
    expect(wrong(twice)).toMatch(/LONGHAUL_MODEL_SMALL: the tier small is in LONGHAUL_MODELS too/);
  });

  test.each([
    [
      'a key with a space',
      { OPENAI_API_KEY: `${SECRET} ${SECRET}` },
      /OPENAI_API_KEY: must be a key without/,
    ],
    ['a key with a line break', { OPENAI_API_KEY: `${SECRET}\n${SECRET}` }, /OPENAI_API_KEY: must be a key/],
    ['a key with letters no header takes', { OPENAI_API_KEY: `${SECRET}é` }, /OPENAI_API_KEY: must be a key/],
    ['an address of files', { OPENAI_BASE_URL: 'file:///etc' }, /OPENAI_BASE_URL: must be an http/],
    ['no address', { OPENAI_BASE_URL: SECRET }, /OPENAI_BASE_URL: must be an http/],
    ['an address with a login', { OPENAI_BASE_URL: `http://me:${SECRET}@a/v1` }, /OPENAI_BASE_URL: .* login/],
    [
      'an address with a query',
      { OPENAI_BASE_URL: `http://a/v1?key=${SECRET}` },
      /OPENAI_BASE_URL: .* query/,
    ],
    ['a name with a space', { LONGHAUL_MODEL_LARGE: 'gpt 5' }, /LONGHAUL_MODEL_LARGE: must be the name/],
  ])('for %s', (_, env, message) => {
    expect(wrong(env)).toMatch(message);
    expect(wrong(env)).not.toContain(SECRET);
  });

  test.each([
    ['no YAML', `small: [{model: a, api_key: ${SECRET}`, /LONGHAUL_MODELS: has no YAML, in line 1/],
    [
      'a tier twice',
      `small: [{model: a, api_key: ${SECRET}}]\nsmall: []`,
      /: has the same .* twice, in line 2/,
    ],
    [
      'a field twice',
      `small: [{model: a, api_key: ${SECRET}, model: b}]`,
      /: has the same .* twice, in line 1/,
    ],
    ['too many aliases', `a: &a [x]\nb: [${'*a,'.repeat(200)}]`, /LONGHAUL_MODELS: has aliases/],
    ['a text', SECRET, /LONGHAUL_MODELS: Invalid input/],
    ['an unknown tier', `tiny: [{model: a, api_key: ${SECRET}}]`, /none of small, medium, large/],
    [
      'an unknown field',
      `small: [{model: a, ${SECRET}: b}]`,
      /LONGHAUL_MODELS.small.0: has a field that is none/,
    ],
    ['no model', `small: [{api_key: ${SECRET}}]`, /LONGHAUL_MODELS.small.0.model: /],
    ['an empty tier', 'small: []', /LONGHAUL_MODELS.small: Too small/],
    ['a key with a space', `small: [{model: a, api_key: ${SECRET} b}]`, /small.0.api_key: must be a key/],
    ['a number as a key', 'small: [{model: a, api_key: 123456}]', /small.0.api_key: .*expected string/],
    ['no address', `small: [{model: a, base_url: ${SECRET}}]`, /small.0.base_url: must be an http/],
    ['no time', 'small: [{model: a, timeout_s: 0}]', /small.0.timeout_s: /],
    ['too much time', 'small: [{model: a, timeout_s: 301}]', /small.0.timeout_s: /],
    [
      'half a second',
      'small: [{model: a, timeout_s: 0.5}]',
      /timeout_s: must be a whole number from 1 to 300/,
    ],
    ['fewer than no calls', 'small: [{model: a, max_parallel: -1}]', /small.0.max_parallel: /],
    ['no calls a minute', 'small: [{model: a, per_minute: 0}]', /small.0.per_minute: /],
  ])('for a list with %s', (_, LONGHAUL_MODELS, message) => {
    expect(wrong({ LONGHAUL_MODELS })).toMatch(message);
    expect(wrong({ LONGHAUL_MODELS })).not.toMatch(/sk-|123456/);
  });

  test('naming what is wrong elsewhere as well', () => {
    const message = wrong({ LOG_LEVEL: 'loud', LONGHAUL_MODELS: 'tiny: []', OPENAI_API_KEY: 'a b' });
    expect(message).toMatch(/LOG_LEVEL/);
    expect(message).toMatch(/LONGHAUL_MODELS/);
    expect(message).toMatch(/OPENAI_API_KEY/);
  });
});
