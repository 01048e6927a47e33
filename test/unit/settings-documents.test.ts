import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settingNames } from '../../src/config';

const DOCS = join(__dirname, '../../docs');
const REFERENCE = 'reference/settings.md';
const names = new Set<string>(settingNames());

const files = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.md'));
const read = (file: string) => readFileSync(join(DOCS, file), 'utf8');
/** First column of the table of settings. */
const rows = [...read(REFERENCE).matchAll(/^\| `([A-Z_]+)` *\|/gm)].map(([, name = '']) => name);

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
