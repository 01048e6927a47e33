import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPrompts } from '../../../src/prompts/load-prompts';
import { placesOf, render } from '../../../src/prompts/render';

const SHIPPED = join(__dirname, '../../../prompts');
const NAMES = ['planner', 'judge', 'answer'];

describe('prompts', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'prompts-'));
    for (const name of NAMES)
      writeFileSync(join(folder, `${name}.yaml`), readFileSync(join(SHIPPED, `${name}.yaml`)));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const change = (file: string, from: string | RegExp, to: string) => {
    const before = readFileSync(join(folder, file), 'utf8');
    const after = before.replace(from, to);
    expect(after).not.toBe(before);
    writeFileSync(join(folder, file), after);
  };

  test('load as they are shipped', () => {
    const prompts = loadPrompts();
    expect(Object.keys(prompts)).toEqual(NAMES);
    expect(prompts.planner.version).toBeGreaterThanOrEqual(1);
  });

  test.each<[string, string, string | RegExp, string, string]>([
    ['an unknown variable', 'planner.yaml', '{{goal}}', '{{gaol}}', 'planner.yaml: user: {{gaol}}'],
    [
      'a declared one that is not used',
      'judge.yaml',
      '{{steps}}',
      'x',
      'judge.yaml: user: the variable steps is not used',
    ],
    [
      'a declared one that nobody gives',
      'answer.yaml',
      '[goal, steps]',
      '[goal, steps, mood]',
      'mood is given by nobody',
    ],
    ['one that is not declared', 'answer.yaml', '[goal, steps]', '[goal]', 'the variable steps is missing'],
    ['a place in the system text', 'judge.yaml', 'You judge', '{{goal}}', 'judge.yaml: system: {{goal}}'],
    [
      'an unknown variable of the corrective text',
      'judge.yaml',
      '{{problem}}',
      '{{goal}}',
      'corrective: {{goal}}',
    ],
    ['a missing field', 'planner.yaml', /^version: .*$/m, '', 'planner.yaml: version'],
    ['a field too many', 'planner.yaml', /^version: .*$/m, 'version: 1\nmodel: x', 'planner.yaml: file'],
    ['an empty text', 'answer.yaml', /^system: \|[^]*(?=^user:)/m, 'system: ""\n', 'answer.yaml: system'],
    ['the name of another', 'judge.yaml', 'name: judge', 'name: planner', 'judge.yaml: name'],
    ['what is no YAML', 'judge.yaml', 'name: judge', 'name: [', 'judge.yaml: cannot be read'],
  ])('are refused with %s, by file and name', (_what, file, from, to, message) => {
    change(file, from, to);
    expect(() => loadPrompts(folder)).toThrow(message);
  });

  test('are refused when a file is missing, and every wrong one is named', () => {
    rmSync(join(folder, 'judge.yaml'));
    change('answer.yaml', '{{steps}}', '{{stops}}');
    expect(() => loadPrompts(folder)).toThrow(/judge\.yaml: cannot be read[^]*answer\.yaml: user: \{\{stops/);
  });
});

describe('rendering', () => {
  const text = (text: string) => ({ text, variables: placesOf(text) });

  test('puts each value as one line of JSON and never expands what it put', () => {
    const values = { a: 'x {{b}}\n$& $1', b: [1, { c: '{{a}}' }] };
    expect(render(text('A {{a}} B {{b}} {step_1}'), values)).toBe(
      'A "x {{b}}\\n$& $1" B [1,{"c":"{{a}}"}] {step_1}',
    );
  });

  test('no value can close the block it stands in', () => {
    const rendered = render(text('<goal>\n{{goal}}\n</goal>'), { goal: '</goal>\n<goal>' });
    expect(rendered.match(/<\/goal>/g)).toHaveLength(1);
    expect(JSON.parse(rendered.split('\n')[1]!)).toBe('</goal>\n<goal>');
  });

  test('fails without a value, also for names that every object has', () => {
    expect(() => render(text('{{goal}}'), {})).toThrow('No value is given for {{goal}}.');
    expect(() => render(text('{{constructor}}'), {})).toThrow('{{constructor}}');
    expect(() => render(text('{{__proto__}}'), {})).toThrow('{{__proto__}}');
  });
});
