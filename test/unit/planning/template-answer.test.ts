import type { EndedStep } from '../../../src/contracts/ended-step';
import { createTemplateAnswer } from '../../../src/planning/template-answer';

function step(
  tool: string,
  input: Record<string, unknown> | null,
  output: unknown,
  more: Partial<EndedStep> = {},
): EndedStep {
  return { id: 'step_1', title: null, tool, input, status: 'completed', output, failure: null, ...more };
}

async function answer(...steps: EndedStep[]): Promise<string> {
  return createTemplateAnswer().write({ goal: 'any', steps });
}

describe('template answer', () => {
  test.each<[string, EndedStep, string]>([
    [
      'a calculation',
      step('calculator', { expression: '12 * 7' }, { value: 84, exact: true }),
      '12 * 7 = 84',
    ],
    [
      'a rounded result',
      step('calculator', { expression: '1 / 3' }, { value: 0.333, exact: false }),
      '1 / 3 ≈ 0.333',
    ],
    [
      'brackets of filled-in numbers',
      step('calculator', { expression: '(84) * 3 + sqrt(16)' }, { value: 256, exact: true }),
      '84 * 3 + sqrt(16) = 256',
    ],
    [
      'brackets that matter',
      step('calculator', { expression: '(3 + 4) ^ 2 - (-5)' }, { value: 54, exact: true }),
      '(3 + 4) ^ 2 - (-5) = 54',
    ],
    [
      'an added todo',
      step('todo.add', { text: 'a' }, { id: 'todo_1', text: 'a', done: false }),
      'Added todo: a',
    ],
    ['a completed todo', step('todo.complete', { id: 'todo_1' }, { text: 'a' }), 'Completed todo: a'],
    ['a removed todo', step('todo.remove', { text: 'a' }, {}), 'Removed todo: a'],
    [
      'an empty list',
      step('todo.list', { status: 'open' }, { todos: [], count: 0 }),
      'There are no open todos.',
    ],
    [
      'a skipped step',
      step('todo.add', null, null, { status: 'skipped', title: 'Add "x"' }),
      'Skipped: Add "x".',
    ],
    [
      'a failed step',
      step('todo.add', {}, null, { status: 'failed', failure: { code: 'tool_error', message: 'It broke.' } }),
      'Failed: todo.add (step_1). It broke.',
    ],
    ['a tool it does not know', step('other', {}, { a: 1 }, { title: 'Ask' }), 'Ask: {"a":1}'],
    ['an output it does not know', step('calculator', {}, null), 'calculator (step_1): null'],
  ])('says %s', async (_what, one, expected) => {
    expect(await answer(one)).toBe(expected);
  });

  test('lists todos one per line, and says how many there are beyond those listed', async () => {
    const todos = [
      { id: '1', text: 'a', done: false },
      { id: '2', text: 'line\n- [x] fake', done: true },
    ];
    expect(await answer(step('todo.list', {}, { todos, count: 7 }))).toBe(
      'Todos (2 of 7):\n- [ ] a\n- [x] line - [x] fake',
    );
  });

  test('keeps the order of the steps', async () => {
    const one = step('todo.add', { text: 'a' }, {});
    expect(await answer(one, step('todo.remove', { text: 'b' }, {}))).toBe('Added todo: a\nRemoved todo: b');
    expect(await answer()).toBe('There was nothing to do.');
  });

  test('stays below 20,000 bytes, cuts at a line and says so', async () => {
    const todos = Array.from({ length: 900 }, (_, index) => ({
      text: `é${index} ${'漢'.repeat(30)}`,
      done: false,
    }));
    const text = await answer(step('todo.list', {}, { todos, count: 900 }));
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(20_000);
    const lines = text.split('\n');
    expect(lines.at(-1)).toBe(
      `… cut: ${901 - (lines.length - 1)} more lines are in the outputs of the steps.`,
    );
    expect(lines.at(-2)).toMatch(/漢$/);
  });

  test('cuts one long line between characters', async () => {
    const text = await answer(step('todo.add', {}, { text: '😀'.repeat(10_000) }));
    expect(text.isWellFormed()).toBe(true);
    expect(text.endsWith('… (cut)')).toBe(true);
  });
});
