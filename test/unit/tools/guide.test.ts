import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { createInputCheck } from '../../../src/planning/input-check';
import { TOOL_EFFECTS } from '../../../src/contracts/tool';
import { loadToolPack } from '../../../src/tools/load-pack';
import type { OutsideTool, ToolContext } from '../../../src/tools/tool';
import { readDocument } from '../../support/documents';

const GUIDE = readDocument('docs/guides/tools.md');
const EXAMPLE = 'examples/printer/tools.mjs';

const context: ToolContext = {
  tenant: 't',
  user: null,
  run_id: 'run_1',
  step_id: 'letter',
  attempt: 1,
  idempotency_key: 'k',
  signal: new AbortController().signal,
  progress: () => undefined,
};

/** The example's tool. Jest loads no ES modules, so it is given as CommonJS, which a pack may be too. */
function exampleTool(): OutsideTool {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-guide-'));
  const path = join(folder, 'tools.cjs');
  const { outputText } = transpileModule(readDocument(EXAMPLE), {
    compilerOptions: { module: ModuleKind.CommonJS, target: ScriptTarget.ES2022 },
  });
  writeFileSync(path, outputText);
  try {
    const [tool] = loadToolPack(path) as [OutsideTool];
    return tool;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Names in the first column of the table that has this heading above its first column. */
function namesBelow(heading: string): string[] {
  const [, rows = ''] =
    new RegExp(`^\\| ${heading} +\\|.*\\n\\|[- |]+\\n((?:\\|.*\\n)+)`, 'm').exec(GUIDE) ?? [];
  return rows
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name!));
}

describe('the guide to tools', () => {
  test('names every class of effects, and every member of the context', () => {
    const packs = TOOL_EFFECTS.filter((effect) => effect !== 'transactional');
    expect(namesBelow('`effect`').sort()).toEqual([...packs].sort());
    expect(namesBelow('member').sort()).toEqual(Object.keys(context).sort());
  });

  test('names every field of a pack, and no other', () => {
    const { lane, ...fields } = exampleTool();
    expect(lane).toBe('tools'); // it is not the pack's to say
    expect(namesBelow('field').sort()).toEqual(Object.keys(fields).sort());
  });

  test('shows the example as it is', () => {
    const [, shown] = /^```js\n([^]*?)^```$/m.exec(GUIDE) ?? [];
    expect(shown).toBe(readDocument(EXAMPLE));
  });
});

describe('its example', () => {
  const tool = exampleTool();
  const home = process.cwd();
  let folder: string;
  const printer = () => join(folder, '.longhaul/printer');
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'longhaul-printer-'));
    mkdirSync(join(folder, '.longhaul'));
    process.chdir(folder); // its printer is a file below the folder it runs in
  });
  afterEach(() => {
    process.chdir(home);
    rmSync(folder, { recursive: true });
  });
  const print = (text: string, more = {}) => tool.call({ text, ...more }, context);

  test('prints, tells how far it has come, and returns what fits its schema', async () => {
    writeFileSync(printer(), 'before\n');
    const told: unknown[] = [];
    const progress: ToolContext['progress'] = (...word) => void told.push(word);
    const output = await tool.call({ text: 'Dear Ann,\nbye.' }, { ...context, progress });
    expect(createInputCheck().output(tool, output)).toEqual([]);
    expect(readFileSync(printer(), 'utf8')).toBe('before\nDear Ann,\nbye.\n');
    expect(told).toEqual([
      [0.5, 'line 1'],
      [1, 'line 2'],
    ]);
  });

  test('fails in the three ways that the guide tells apart', async () => {
    await expect(print('x', { paper: 'A3' })).rejects.toMatchObject({ name: tool.non_retryable?.[0] });
    await expect(print('x')).rejects.toMatchObject({ message: 'The printer is off.', not_done: true });
    writeFileSync(printer(), '');
    const jam = (await print('a staple').catch((error: unknown) => error)) as Error;
    expect([jam.name, jam.message, 'not_done' in jam]).toEqual(['Error', 'Paper jam.', false]);
    expect(readFileSync(printer(), 'utf8')).toBe('a staple\n'); // it has taken effect
  });

  test('ends when it is told to', async () => {
    writeFileSync(printer(), '');
    await expect(tool.call({ text: 'x' }, { ...context, signal: AbortSignal.abort() })).rejects.toThrow();
    expect(readFileSync(printer(), 'utf8')).toBe('');
  });
});
