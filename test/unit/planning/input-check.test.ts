import { createInputCheck } from '../../../src/planning/input-check';

const toolWith = (input_schema: Record<string, unknown>) => ({
  name: 'tool',
  version: '1.0.0',
  input_schema,
});
const planned = (schema: Record<string, unknown>, input: unknown) =>
  createInputCheck().planned(toolWith(schema), input);
const listOf = (items: object) => ({ type: 'object', properties: { list: { type: 'array', items } } });
const EITHER = { anyOf: [{ type: 'number' }, { type: 'boolean' }] };

/** What is made while something is done, by the calls of one method of texts. */
function callsOf(method: 'replaceAll' | 'startsWith', act: () => void): number {
  const spy = jest.spyOn(String.prototype, method);
  try {
    act();
    return spy.mock.calls.length;
  } finally {
    spy.mockRestore();
  }
}

describe('an input of a plan', () => {
  test('has no pointers made to its references, however many stand under however long a key', () => {
    const input = { ['~'.repeat(1_000)]: Array<string>(1_000).fill('{a}') };
    const closed = { type: 'object', properties: {}, additionalProperties: false };
    const made = callsOf('replaceAll', () => {
      expect(planned(closed, input)).toMatchObject([{ detail: 'is not taken' }]);
    });
    expect(made).toBeLessThan(100);
  });

  test('is refused as a whole where the pointers to what is wrong would fill the memory', () => {
    const open = { type: 'object', additionalProperties: { type: 'array', items: { type: 'number' } } };
    const under = (key: string) => ({ [key]: Array<string>(5_000).fill('{a}') });
    expect(planned(open, under('k'))).toEqual([]);
    expect(planned(open, under('k'.repeat(32_000)))).toEqual([
      { pointer: '', detail: 'is wrong in too many places under long keys' },
    ]);
  });

  test('is told of an item that fits no alternative, and not of a reference beside it', () => {
    const of = (n: object) => ({ type: 'object', properties: { n } });
    const either = { anyOf: [of({ type: 'number' }), of({ type: 'boolean' })] };
    const problems = planned(listOf(either), { list: [{ n: '{a}' }, { n: 'text' }, { n: '{b.c}' }] });
    expect(new Set(problems.map(({ pointer }) => pointer))).toEqual(new Set(['/list/1', '/list/1/n']));
  });

  test('with references among alternatives is looked at once, however many there are', () => {
    const looks = callsOf('startsWith', () => {
      expect(planned(listOf(EITHER), { list: Array<string>(500).fill('{a}') })).toEqual([]);
    });
    expect(looks).toBeLessThan(20 * 500);
  });
});
