import fc from 'fast-check';
import type { Step } from '../../../src/contracts/plan';
import { FINDING_CODES } from '../../../src/contracts/plan';
import { createInputCheck } from '../../../src/planning/input-check';
import { checkPlan } from '../../../src/planning/plan-check';
import { card, CARDS, catalogue } from './cards';

const checkInput = createInputCheck();
const rules = { max_steps: 50, max_input_bytes: 64 * 1024 };

function found(steps: unknown, options: Partial<Parameters<typeof checkPlan>[1]> = {}): string[] {
  const findings = checkPlan(steps as Step[], { tools: catalogue(), rules, checkInput, ...options });
  return findings.map(({ code, pointer }) => `${code} ${pointer}`);
}

function add(id: string, more: Partial<Step> = {}): Step {
  return { id, tool: 'todo.add', input: { text: 'x' }, ...more };
}

describe('checkPlan', () => {
  test('finds nothing in a sound plan', () => {
    const steps = [
      { id: 'a', tool: 'calculator', version: '1.0.0', input: { expression: '1 + 1' } },
      add('b', { input: { text: '{a.value}' }, when: { ref: 'a.value', op: 'gt', value: 1 } }),
      add('c', {
        input: { text: 'it is {a.value}' },
        needs: ['b'],
        when: { not: { ref: 'a.x', op: 'exists' } },
      }),
    ];
    expect(found(steps)).toEqual([]);
  });

  test.each<[string, unknown[], string[]]>([
    ['an empty plan', [], ['empty_plan /steps']],
    ['an id that breaks the rule', [add('Step 1')], ['invalid_id /steps/0/id']],
    [
      'an id that comes twice',
      [add('a'), add('a'), add('a')],
      ['duplicate_id /steps/1/id', 'duplicate_id /steps/2/id'],
    ],
    ['a tool that is not there', [add('a', { tool: 'constructor' })], ['unknown_tool /steps/0/tool']],
    ['a version that is not there', [add('a', { version: '9.0.0' })], ['unknown_version /steps/0/version']],
    ['a part that is missing', [add('a', { input: {} })], ['invalid_input /steps/0/input/text']],
    [
      'a part that is not taken',
      [add('a', { input: { text: 'x', 'a/b~': 1 } })],
      ['invalid_input /steps/0/input/a~1b~0'],
    ],
    ['a part of the wrong type', [add('a', { input: { text: 5 } })], ['invalid_input /steps/0/input/text']],
    [
      'an empty text',
      [add('a', { input: { text: '' } })],
      ['invalid_input /steps/0/input/text', 'invalid_input /steps/0/input/text'],
    ],
    [
      'a dangling reference',
      [add('a', { input: { text: 'x {b}' } })],
      ['unknown_reference /steps/0/input/text'],
    ],
    ['a dangling need', [add('a', { needs: ['b'] })], ['unknown_reference /steps/0/needs/0']],
    [
      'a dangling condition',
      [add('a', { when: { all: [{ ref: 'b.c', op: 'exists' }] } })],
      ['unknown_reference /steps/0/when/all/0/ref'],
    ],
    ['a reference to itself', [add('a', { input: { text: '{a.text}' } })], ['cycle /steps/0']],
    [
      'a cycle through needs and references',
      [
        add('a', { needs: ['c'] }),
        add('b', { input: { text: '{a.id}' } }),
        add('c', { when: { ref: 'b.done', op: 'eq', value: true } }),
        add('d', { needs: ['a'] }),
      ],
      ['cycle /steps/0', 'cycle /steps/1', 'cycle /steps/2'],
    ],
    [
      'a malformed reference in a condition',
      [add('a', { when: { ref: '{b.c}', op: 'exists' } })],
      ['invalid_condition /steps/0/when/ref'],
    ],
    [
      'a condition without a value',
      [add('a'), add('b', { when: { ref: 'a.id', op: 'eq' } })],
      ['invalid_condition /steps/1/when/value'],
    ],
    [
      'in without a list',
      [add('a'), add('b', { when: { not: { ref: 'a.id', op: 'in', value: 'x' } } })],
      ['invalid_condition /steps/1/when/not/value'],
    ],
    [
      'a comparison that is none',
      [add('a'), add('b', { when: { ref: 'a.id', op: 'like', value: 1 } as never })],
      ['invalid_condition /steps/1/when/op'],
    ],
    ['an empty all', [add('a', { when: { all: [] } })], ['invalid_condition /steps/0/when/all']],
    ['an input that is no object', [add('a', { input: [] as never })], ['invalid_input /steps/0/input']],
    ['a step that is no object', [null], ['invalid_input /steps/0']],
  ])('reports %s', (_what, steps, expected) => {
    expect(found(steps)).toEqual(expected);
  });

  test('reports everything at once: a self reference hides nothing', () => {
    const steps = [
      add('a', { input: { text: '{a.text}' }, tool: 'gone' }),
      add('B', { input: {}, needs: ['a', 'z'], when: { ref: '?', op: 'exists' } }),
    ];
    expect(found(steps)).toEqual([
      'unknown_tool /steps/0/tool',
      'invalid_id /steps/1/id',
      'invalid_input /steps/1/input/text',
      'invalid_condition /steps/1/when/ref',
      'unknown_reference /steps/1/needs/1',
      'cycle /steps/0',
    ]);
  });

  test('keeps to the limits of the run', () => {
    const steps = [add('a'), add('b', { input: { text: 'é'.repeat(20) } })];
    expect(found(steps, { rules: { max_steps: 1, max_input_bytes: 40 } })).toEqual([
      'too_many_steps /steps',
      'input_too_large /steps/1/input',
    ]);
  });

  test('refuses an outline that the workflow cannot carry', () => {
    const ids = Array.from({ length: 100 }, (_, index) => `s${index}${'x'.repeat(50)}`);
    const steps = [
      ...ids.map((id) => add(id)),
      ...[...Array(20).keys()].map((n) => add(`n${n}`, { needs: ids })),
    ];
    expect(found(steps, { rules: { ...rules, max_steps: 200 } })).toEqual(['outline_too_large /steps']);
  });

  test('sentences name what is known, at most a few', () => {
    const cards = [...'abcdefgh'].map((name) => card(name, { type: 'object' }));
    const [finding] = checkPlan([add('a')], { tools: catalogue(cards), rules, checkInput });
    expect(finding?.detail).toBe('There is no tool "todo.add". Known are a, b, c, d, e, … (3 more).');
  });

  test('a text with references is a text, and one reference alone may be anything', () => {
    const schema = {
      type: 'object',
      properties: {
        count: { type: 'integer', minimum: 1 },
        kind: { enum: ['x'] },
        short: { type: 'string', maxLength: 3 },
        list: { type: 'array', items: { type: 'integer' }, uniqueItems: true },
        either: { anyOf: [{ type: 'integer' }, { type: 'object', required: ['k'] }] },
      },
    };
    const tools = catalogue([...CARDS, card('t', schema)]);
    const one = (input: Record<string, unknown>) =>
      found([add('a'), { id: 'b', tool: 't', input }], { tools });
    expect(
      one({ count: '{a.n}', kind: '{a.n}', short: '{a.text}', list: ['{a.x}', '{a.x}'], either: '{a.x}' }),
    ).toEqual([]);
    expect(one({ short: 'more {a.n}', list: '{a.n}', kind: 'is {a.n}' })).toEqual([]);
    expect(one({ count: 'n {a.n}', list: ['x', '{a.n}'], either: {} })).toEqual([
      'invalid_input /steps/1/input/count',
      'invalid_input /steps/1/input/list/0',
      'invalid_input /steps/1/input/either',
      'invalid_input /steps/1/input/either/k',
      'invalid_input /steps/1/input/either',
    ]);
    expect(one({ short: '{{a}}' })).toEqual([]);
    expect(one({ short: '{{abc}}' })).toEqual(['invalid_input /steps/1/input/short']);
  });

  const hostile = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.jsonValue(),
      fc.constantFrom('{a}', '{b.x}', '{{a}}', 'a', 'b', 'todo.add', '__proto__', 'eq', 'in'),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(
        fc.constantFrom(
          'id',
          'tool',
          'version',
          'input',
          'needs',
          'when',
          'text',
          'ref',
          'op',
          'value',
          'all',
          'any',
          'not',
          '__proto__',
          'constructor',
          'a/b~',
        ),
        tie('value'),
      ),
    ),
  })).value;

  test('is total: whatever the steps are, it returns findings of the catalogue', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 8 }), (steps) => {
        const findings = checkPlan(steps as Step[], { tools: catalogue(), rules, checkInput });
        for (const { code, pointer, detail } of findings) {
          expect(FINDING_CODES).toContain(code);
          expect(pointer).toMatch(/^(?:\/(?:[^~]|~[01])*)?$/);
          expect(detail.length).toBeLessThan(500);
        }
        if (steps.length > 0 && steps.some((step) => typeof step !== 'object'))
          expect(findings).not.toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('says little of much: a hundred findings, each with a pointer and a sentence of some hundred characters', () => {
    const dangling = Array.from({ length: 1_500 }, (_, at) => `{zz${at}.a}`);
    for (const key of [
      'k'.repeat(30_000),
      '🙂'.repeat(15_000),
      '~'.repeat(30_000),
      `k${'🙂/'.repeat(9_000)}`,
    ]) {
      const step = add('a', { input: { text: 'x', [key]: dangling } });
      const roomy = { ...rules, max_input_bytes: 200_000 };
      const findings = checkPlan([step], { tools: catalogue(), rules: roomy, checkInput });
      expect(findings).toHaveLength(100);
      expect(JSON.stringify(findings).length).toBeLessThan(100_000);
      for (const { pointer } of findings) {
        expect(pointer.isWellFormed()).toBe(true);
        expect(pointer).toMatch(/^(?:\/(?:[^~]|~[01])*)?$/);
        expect(pointer).toMatch(/…$/);
      }
    }
  });

  test('passes over the tools of steps that are not called, and over nothing else', () => {
    const gone = Array.from({ length: 120 }, (_, at) => add(`s${at}`, { tool: 'gone', input: [] as never }));
    const steps = [...gone, add('last', { tool: 'gone', needs: ['nobody'] })];
    const options = { rules: { ...rules, max_steps: 200 }, isRun: () => false };
    expect(found(steps, options)).toEqual(['unknown_reference /steps/120/needs/0']);
    expect(found(gone, options)).toEqual([]);
    expect(found(gone, { ...options, isRun: ({ id }) => id === 's1' })).toEqual([
      'unknown_tool /steps/1/tool',
      'invalid_input /steps/1/input',
    ]);
  });

  test('survives inputs and conditions nested thousands of levels deep', () => {
    const nest = (times: number, wrap: (inner: unknown) => unknown): unknown => {
      let value: unknown = 'x';
      for (let level = 0; level < times; level += 1) value = wrap(value);
      return value;
    };
    const input = nest(50_000, (inner) => ({ text: inner }));
    const when = nest(50_000, (inner) => ({ not: inner }));
    expect(found([{ id: 'a', tool: 'todo.add', input, when }])).toEqual([
      'invalid_input /steps/0/input',
      `invalid_condition /steps/0/when${'/not'.repeat(32)}`,
    ]);
  });
});

describe('createInputCheck', () => {
  const [calculator] = CARDS;

  test('says what is wrong with a filled-in input, and takes braces for text', () => {
    expect(checkInput(calculator!, { expression: '1' })).toEqual([]);
    expect(checkInput(calculator!, { expression: 5 })).toEqual([
      { pointer: '/expression', detail: 'must be string' },
    ]);
    expect(checkInput(calculator!, { expression: '{a}'.repeat(400) })).toHaveLength(1);
    expect(checkInput(calculator!, null)).toEqual([{ pointer: '', detail: 'must be object' }]);
  });

  test('inherited properties are no input', () => {
    const tool = card('own', { type: 'object', required: ['constructor'] });
    expect(checkInput(tool, {})).toEqual([{ pointer: '/constructor', detail: 'is missing' }]);
  });

  test('a broken schema is a problem, not an exception', () => {
    expect(checkInput(card('broken', { type: 'no such type' }), {})).toHaveLength(1);
  });

  test('two versions of a tool have their own schemas', () => {
    const check = createInputCheck();
    expect(check(card('t', { type: 'object', required: ['a'] }, '1.0.0'), {})).toHaveLength(1);
    expect(check(card('t', { type: 'object' }, '2.0.0'), {})).toEqual([]);
  });
});
