import { readReply } from '../../../src/planning/reading/read-reply';

const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

describe('reading a reply', () => {
  test.each<[string, string]>([
    ['plain JSON', '{"a":1}'],
    ['space around it', ' \n{"a":1}\n'],
    ['a code fence', '```json\n{"a":1}\n```'],
    ['prose before and after', 'Here it is: {"a":1}\nIt\'s "done".'],
    ['braces in prose', 'I use {step_1.value} as you said. {"a":1}'],
    ['a long number in prose', 'For 1000000000000000001: {"a":1}'],
    ['a trailing comma', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['unquoted keys', '{a:1}'],
    ['comments', '{"a":1 /* one */}'],
    ['the same object twice', '{"a":1}\n{"a": 1}'],
    ['a fence with a trailing comma', 'Sure:\n```\n{"a":1,}\n```\nBye'],
  ])('takes %s', (_what, text) => {
    expect(readReply(text)).toEqual({ ok: true, value: { a: 1 } });
  });

  test.each<[string, string, string]>([
    ['nothing', ' \n', 'empty'],
    ['a number that loses digits', '{"a":1000000000000000001}', '1000000000000000001 has more digits'],
    [
      'one in an object to be mended',
      '12 {"a":[-1000000000000000001,],}',
      '-1000000000000000001 has more digits',
    ],
    ['prose', 'I cannot do that.', 'no JSON object'],
    ['a list', '[{"a":1}]', 'no object'],
    ['a text', '"{}"', 'no object'],
    ['null', 'null', 'no object'],
    ['two different objects', '{"a":1} or {"a":2}', 'different'],
    ['two broken objects', '{"a":1,} {"a":2,}', 'not valid'],
    ['an object that ends too early', '{"a":[{"b":1},', 'not closed'],
    ['a whole object and one that is cut', '{"a":1} {"a":2', 'not closed'],
    ['brackets that do not match', '{"a":[1}}', 'not closed'],
    ['items left out by dots', '{"a":[1, ...]}', 'not valid'],
    ['a broken object that is too long to be mended', `{"a":"${'x'.repeat(40_000)}",}`, 'not valid'],
    ['an object that makes no sense', '{:}:}', 'not valid'],
    ['too many levels', nested(40), 'deeper than 32'],
    ['too many levels in a fence', `\`\`\`${nested(40)}\`\`\``, 'deeper than 32'],
    ['levels without end', nested(100_000), 'deeper than 32'],
    [
      'levels without end to be mended',
      `{'a"':${'['.repeat(50_000)}${']'.repeat(50_000)}, 'b"':1}`,
      'not valid',
    ],
    ['a million characters and more', `{"a":"${'x'.repeat(1_000_000)}"}`, 'longer than'],
  ])('does not take %s', (_what, text, problem) => {
    expect(readReply(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });

  test('keeps dots inside of texts while mending', () => {
    expect(readReply('{"a":"and so on ... \\" …",}')).toEqual({
      ok: true,
      value: { a: 'and so on ... " …' },
    });
  });

  test.each(['{"__proto__":{"x":1},"constructor":{"x":1}}', '{"__proto__":{"x":1},"constructor":{"x":1},}'])(
    'a key __proto__ changes no prototype: %s',
    (text) => {
      const reply = readReply(text);
      if (!reply.ok) throw new Error(reply.problem);
      expect(Object.getPrototypeOf(reply.value)).toBe(Object.prototype);
      expect('x' in reply.value).toBe(false);
      expect('x' in {}).toBe(false);
    },
  );
});
