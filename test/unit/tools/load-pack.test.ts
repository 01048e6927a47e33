import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadToolPack } from '../../../src/tools/load-pack';
import type { ToolContext } from '../../../src/tools/tool';

const context: ToolContext = {
  tenant: 't',
  user: null,
  run_id: 'run_1',
  step_id: 'step_1',
  attempt: 1,
  idempotency_key: 'k',
  signal: new AbortController().signal,
  progress: () => undefined,
};

describe('a tool pack', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'longhaul-pack-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Writes a pack with one tool, as given on top of a sound one, and returns its path. */
  function packWith(name: string, changes: string): string {
    return pack(
      name,
      `exports.tools = [{
        name: 'mail.count', version: '1.0.0', description: 'Counts mails.', effect: 'pure', timeout_s: 5, max_attempts: 2,
        input_schema: { type: 'object', properties: { box: { type: 'string' } } },
        count: 7,
        async call(input, context) { return [this.count, input.box, context.step_id]; },
        ${changes}
      }];`,
    );
  }

  function pack(name: string, text: string): string {
    const path = join(folder, `${name}.js`);
    writeFileSync(path, text);
    return path;
  }

  test('gives its tools, which keep their own `this`', async () => {
    const [tool, ...more] = loadToolPack(packWith('sound', ''));
    expect(more).toEqual([]);
    expect(tool).toMatchObject({
      name: 'mail.count',
      version: '1.0.0',
      effect: 'pure',
      timeout_s: 5,
      max_attempts: 2,
    });
    expect(tool?.input_schema).toEqual({ type: 'object', properties: { box: { type: 'string' } } });
    if (tool?.effect !== 'pure') throw new Error('no pure tool');
    await expect(tool.call({ box: 'in' }, context)).resolves.toEqual([7, 'in', 'step_1']);
  });

  test('is never instant, whatever it says', () => {
    expect(loadToolPack(packWith('instant', "lane: 'instant',"))[0]?.lane).toBe('tools');
  });

  test.each<[name: string, changes: string, said: string]>([
    [
      'transactional',
      "effect: 'transactional',",
      'effect: must be `pure`, `idempotent` or `unsafe`: only built-in tools take part in transactions',
    ],
    ['upper-case', "name: 'Mail',", 'name: must be lower case'],
    ['version', "version: '1.0',", 'version: must be a semantic version'],
    ['schema', "input_schema: { type: 'array' },", 'input_schema.type: must be `object`'],
    ['no-code', 'call: null,', 'call: must be a function'],
    ['timeout', 'timeout_s: 0,', 'timeout_s'],
    ['attempts', 'max_attempts: 1.5,', 'max_attempts'],
    ['description', "description: '',", 'description'],
  ])('is refused by name and place: %s', (name, changes, said) => {
    const path = packWith(name, changes);
    expect(() => loadToolPack(path)).toThrow(`The tool pack ${path} is refused: tools[0] (`);
    expect(() => loadToolPack(path)).toThrow(said);
  });

  test('reports everything that is wrong at once', () => {
    const path = packWith('twice', "version: 'x', timeout_s: -1,");
    expect(() => loadToolPack(path)).toThrow(/version.*; .*timeout_s/);
  });

  test.each([
    ['nothing', ''],
    ['no-list', 'exports.tools = {};'],
    ['null', 'module.exports = null;'],
  ])('without a list of tools is refused: %s', (name, text) => {
    expect(() => loadToolPack(pack(name, text))).toThrow(
      'has no list of tools. Write `export const tools = [ … ]`',
    );
  });

  test('that throws or is not there is refused with the reason', () => {
    expect(() => loadToolPack(pack('throws', "throw new Error('no key');"))).toThrow(
      'cannot be loaded: no key',
    );
    expect(() => loadToolPack(join(folder, 'absent.js'))).toThrow(/cannot be loaded: .*Cannot find module/);
    expect(() => loadToolPack(pack('not-a-tool', 'exports.tools = [null];'))).toThrow('tools[0] : ');
  });
});
