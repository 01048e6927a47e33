import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { loadClientConfig, loadConfig, settingNames } from '../../src/config';
import { homeOf, ROOT } from '../../src/dev/home';

const DOCS = join(__dirname, '../../docs');
const REFERENCE = 'reference/settings.md';
const names = new Set<string>(settingNames());

const files = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
const read = (file: string) => readFileSync(join(DOCS, file), 'utf8');
/** First two columns of the table of settings: names, and what they are when nobody sets them. */
const documented = [...read(REFERENCE).matchAll(/^\| `([A-Z_]+)` *\| (.*?) *\|/gm)].map(
  ([, name = '', when_unset = '']) => [name, when_unset] as const,
);
const rows = documented.map(([name]) => name);

const DATABASE = { DATABASE_URL: 'postgres://localhost/longhaul' };
const production = loadConfig(DATABASE);
const development = loadConfig({ ...DATABASE, NODE_ENV: 'development' });

/** Settings whose default is no value of their own but follows from others, as the reference has them. */
const FOLLOWING = {
  DATABASE_URL: 'must be set',
  PUBLIC_URL: `\`${production.public_url.replace('127.0.0.1', 'HOST').replace('3000', 'PORT')}\``,
  TRUST_PROXY: '`none`; must be set for an API in production',
  LONGHAUL_MAX_CONNECTIONS_PER_ADDRESS: `${production.max_connections_per_address} in production, else as the one above`,
  LONGHAUL_DRAIN_S: `${production.drain_s} in production, else ${development.drain_s}`,
  OPENAI_BASE_URL: 'OpenAI',
  LONGHAUL_MODEL_SMALL: 'see below',
  LONGHAUL_MODEL_MEDIUM: 'see below',
  LONGHAUL_HOME: `\`${relative(ROOT, homeOf({}))}\``,
};

const [, SMALL, MEDIUM] = /`([^`]+)` as the small model and `([^`]+)` as the medium one/.exec(
  read(REFERENCE),
)!;

/** A default as the reference writes it, without commas in numbers. */
function inWords(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return 'none';
  return typeof value === 'number' ? String(value) : `\`${String(value)}\``;
}

test.each(files)('docs/%s names no setting that src/config.ts does not have', (file) => {
  const named = [...read(file).matchAll(/\bLONGHAUL_[A-Z_]+\b/g)].map(([name]) => name.replace(/_FILE$/, ''));
  expect({
    'take out, or add to src/config.ts': [...new Set(named)].filter((name) => !names.has(name)),
  }).toEqual({
    'take out, or add to src/config.ts': [],
  });
});

test(`docs/${REFERENCE} has a row for every setting of src/config.ts, and no other`, () => {
  expect({
    'add a row for': [...names].filter((name) => !rows.includes(name)),
    'take out the row of': rows.filter((name) => !names.has(name)),
    'name only once': rows.filter((name, at) => rows.indexOf(name) !== at),
  }).toEqual({ 'add a row for': [], 'take out the row of': [], 'name only once': [] });
});

test(`docs/${REFERENCE} says what each setting is when nobody sets it`, () => {
  const client = loadClientConfig({ LONGHAUL_API_KEY: 'lh_key' })!;
  const values = { ...production, LONGHAUL_API_URL: client.api_url, LONGHAUL_API_KEY: undefined };
  const following = new Map(Object.entries(FOLLOWING));
  const expected = rows.map((name) => [
    name,
    following.get(name) ?? inWords(values[name as keyof typeof values]),
  ]);
  expect(documented.map(([name, when_unset]) => [name, when_unset.replace(/(\d),(?=\d{3})/g, '$1')])).toEqual(
    expected,
  );
});

test(`docs/${REFERENCE} says what is asked of OpenAI when nothing but its key is set`, () => {
  const { model_endpoints } = loadConfig({ ...DATABASE, OPENAI_API_KEY: 'a-key' });
  expect(model_endpoints.map(({ tier, model, base_url }) => [tier, model, new URL(base_url).host])).toEqual([
    ['small', SMALL, 'api.openai.com'],
    ['medium', MEDIUM, 'api.openai.com'],
  ]);
});
