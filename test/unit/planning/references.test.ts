import fc from 'fast-check';
import { escapeText, fillIn, lookUp, parseReference, referencesOf } from '../../../src/planning/references';

const outputs = new Map<string, unknown>([
  ['step_1', { value: 84, list: [{ name: 'a' }, { name: 'b' }], nothing: null }],
  ['step_2', 'text with {step_1.value}'],
]);

function filled(value: unknown): unknown {
  const result = fillIn({ value }, outputs);
  return result.ok ? result.input['value'] : result;
}

describe('references', () => {
  test.each([
    ['{step_1.value}', 84],
    ['{step_1.list.1.name}', 'b'],
    ['{step_1.nothing}', null],
    ['{step_1.list.0}', { name: 'a' }],
    ['have {step_1.value}', 'have 84'],
    ['{step_1.list.0}!', '{"name":"a"}!'],
    ['{step_1.nothing}.', 'null.'],
    ['{step_2}', 'text with {step_1.value}'],
    ['<{step_2}>', '<text with {step_1.value}>'],
    ['{{step_1.value}}', '{step_1.value}'],
    ['{{{step_1.value}}}', '{{step_1.value}}'],
    ['{"a":{"b":{step_1.value}}}', '{"a":{"b":84}}'],
    ['{{step_1.value}', '{84'],
    ['{Step_1}{1}{} { step_1 }{step_1.}', '{Step_1}{1}{} { step_1 }{step_1.}'],
    [`{${'a'.repeat(65)}}`, `{${'a'.repeat(65)}}`],
    [
      [1, true, { deep: ['{step_1.value}'] }],
      [1, true, { deep: [84] }],
    ],
  ])('%j is filled in as %j', (value, expected) => {
    expect(filled(value)).toEqual(expected);
  });

  test.each([
    '{step_9}',
    '{step_1.gone}',
    '{step_1.list.length}',
    '{step_1.list.2}',
    '{step_1.list.01}',
    '{step_1.list.-1}',
    '{step_1.constructor}',
    '{step_1.__proto__}',
    '{step_1.toString}',
    '{step_2.0}',
    '{step_2.length}',
    '{step_1.value.x}',
  ])('%s leads nowhere', (text) => {
    expect(filled(`see ${text}`)).toEqual({
      ok: false,
      reason: 'missing',
      pointer: '/value',
      reference: text.slice(1, -1),
    });
  });

  test('names the first reference that fails with its pointer', () => {
    const result = fillIn({ a: '{step_1.value}', 'b/~': ['x', '{gone}'], c: '{gone_too}' }, outputs);
    expect(result).toEqual({ ok: false, reason: 'missing', pointer: '/b~1~0/1', reference: 'gone' });
  });

  test('keeps keys as they are, also those that look like references or prototypes', () => {
    const input = JSON.parse('{"{step_1}": 1, "__proto__": {"x": "{step_1.value}"}}') as Record<
      string,
      unknown
    >;
    const result = fillIn(input, outputs);
    expect(result.ok && JSON.stringify(result.input)).toBe('{"{step_1}":1,"__proto__":{"x":84}}');
    expect(result.ok && Object.getPrototypeOf(result.input)).toBe(Object.prototype);
  });

  test('reads an own __proto__ of an output', () => {
    const output: unknown = JSON.parse('{"__proto__": 5}');
    expect(lookUp(new Map([['s', output]]), { step_id: 's', path: ['__proto__'] })).toEqual({
      found: true,
      value: 5,
    });
  });

  test('refuses to write more than fits instead of filling the memory', () => {
    const many = fillIn({ text: '{big}'.repeat(10_000) }, new Map([['big', 'x'.repeat(10_000)]]));
    expect(many).toMatchObject({ ok: false, reason: 'too_large', pointer: '/text' });
  });

  test('lists references in order, with pointers, and without escaped ones and keys', () => {
    const value = {
      a: 'x {step_1.value} {{step_2}}',
      b: [{ '{step_3}': '{step_4}' }],
      'c/d': '{step_5.a.0}',
    };
    expect(referencesOf(value)).toEqual([
      { pointer: '/a', step_id: 'step_1', path: ['value'] },
      { pointer: '/b/0/{step_3}', step_id: 'step_4', path: [] },
      { pointer: '/c~1d', step_id: 'step_5', path: ['a', '0'] },
    ]);
  });

  test('parses only what is a reference', () => {
    expect(parseReference('step_1.a-b.0')).toEqual({ step_id: 'step_1', path: ['a-b', '0'] });
    for (const text of ['', 'Step', 'step 1', 'step_1.', '.a', '{step_1}', 'step_1..a', 'step_1\n']) {
      expect(parseReference(text)).toBeNull();
    }
  });

  test('walks values nested thousands of levels deep', () => {
    let value: unknown = '{step_1.value}';
    for (let level = 0; level < 20_000; level += 1) value = [value];
    expect(referencesOf(value)).toHaveLength(1);
    expect(fillIn({ value }, outputs).ok).toBe(true);
  });

  const braces = fc.string({
    unit: fc.constantFrom('{', '}', 'step_1', '.value', 'x', '.', ' ', '{step_1.value}'),
  });

  test('an escaped text comes back exactly, whatever it holds', () => {
    fc.assert(fc.property(braces, (text) => expect(filled(escapeText(text))).toBe(text)));
  });

  test('what is filled in is never expanded again', () => {
    fc.assert(
      fc.property(braces, (output) => {
        const result = fillIn(
          { alone: '{s}', within: '<{s}|{s}>' },
          new Map<string, unknown>([
            ['s', output],
            ['step_1', { value: 1 }],
          ]),
        );
        expect(result).toEqual({ ok: true, input: { alone: output, within: `<${output}|${output}>` } });
      }),
    );
  });

  test('a value without braces comes back equal', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (input) => {
        fc.pre(!/\{[a-z]/.test(JSON.stringify(input))); // what could be read as a reference
        const result = fillIn(input, new Map());
        expect(result.ok && JSON.stringify(result.input)).toBe(JSON.stringify(input));
      }),
    );
  });
});
