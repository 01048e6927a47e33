import type { Step } from '../../../src/contracts/plan';
import { Verdict } from '../../../src/contracts/verdict';
import { createPatternPlanner } from '../../../src/planning/pattern-planner';
import { createRuleJudge } from '../../../src/planning/rule-judge';
import { CARDS } from './cards';

const judge = createRuleJudge();
const planner = createPatternPlanner();

async function judged(goal: string, steps: Step[]): Promise<Verdict> {
  return Verdict.parse(await judge.judge({ goal, steps, tools: CARDS }));
}

async function planOf(goal: string): Promise<Step[]> {
  const result = await planner.draft({ goal, tools: CARDS, max_steps: 50, feedback: [] });
  if (result.kind !== 'plan') throw new Error(result.detail);
  return result.steps;
}

describe('right plans', () => {
  test.each([
    'calculate 12 * 7 and (3 + 4) ^ 2, add both results as todos, then list all todos',
    'what is 1,250.5 minus forty-five point one?',
    '450 increased by 5%',
    'half of 90',
    'What is the sum of 42 and 549, multiplied by 2?',
    'Start with 276, subtract 3, then divide by 7.',
    'subtract 74 from 82',
    'which is larger, 58 or 75?',
    'Add 61 and 99, then multiply the sum by 8.',
    'calculate 12 * 7 and double it',
    'calculate 1 + 2 and 3 * 4 and add the sum of them as a todo',
    'add the product of 6 and 7 as a todo',
    "add 'a' and the result of 2 + 3 as todos",
    'calculate 2 + 3, then multiply by 4, then save the result as a todo',
    "add 'a', complete 'a', then list done todos",
    'add buy 2 litres of milk to my todo list',
    'add todos: a, buy bread and call mum',
    "take 'a' off my todo list, then give me my open todos",
    "add '{step_1}' as a todo",
    "if 12 * 7 is greater than 80, add 'x', otherwise add 'y'",
    "add 'x' unless 5 * 8 > 35",
    "Calculate 12 * 7. If it is over 80, add 'x'. Then list my todos.",
    'show me everything on my list',
  ])('accepts the plan of "%s"', async (goal) => {
    expect(await judged(goal, await planOf(goal))).toEqual({
      is_valid: true,
      confidence: 0.95,
      issues: [],
      suggestions: [],
    });
  });
});

describe('wrong plans', () => {
  const demo = 'calculate 12 * 7 and (3 + 4) ^ 2, add both results as todos, then list all todos';
  const change = (index: number, more: Partial<Step>) => (steps: Step[]) =>
    steps.map((step, at) => (at === index ? { ...step, ...more } : step));
  const without = (index: number) => (steps: Step[]) => steps.filter((_step, at) => at !== index);
  const expression = (index: number, text: string) => change(index, { input: { expression: text } });

  test.each<[string, string, (steps: Step[]) => Step[]]>([
    ['no steps', demo, () => []],
    ['a missing calculation', demo, (steps) => without(1)(without(3)(steps))],
    [
      'a missing todo',
      demo,
      (steps) => change(3, { needs: ['step_3'] })(steps).filter((_step, at) => at !== 3),
    ],
    ['a missing list', demo, without(4)],
    [
      'an extra calculation',
      demo,
      (steps) => [...steps, { id: 'x', tool: 'calculator', input: { expression: '1 + 1' } }],
    ],
    ['an extra todo', demo, (steps) => [...steps, { id: 'x', tool: 'todo.add', input: { text: 'hello' } }]],
    [
      'an extra list',
      demo,
      (steps) => [...steps, { id: 'x', tool: 'todo.list', input: {}, needs: ['step_3', 'step_4'] }],
    ],
    ['a tool nobody asked for', demo, (steps) => [...steps, { id: 'x', tool: 'http.get', input: {} }]],
    ['a doubled step', demo, (steps) => [...steps, { ...(steps[2] as Step), id: 'x' }]],
    ['a wrong number', demo, expression(0, '12 * 8')],
    ['a wrong sign', demo, expression(0, '12 + 7')],
    [
      'swapped signs',
      'calculate 12 * 7 and 3 + 4',
      (steps) => expression(1, '3 * 4')(expression(0, '12 + 7')(steps)),
    ],
    ['swapped operands', 'calculate 38 - 756', expression(0, '756 - 38')],
    ['operands in the order of the words', 'subtract 74 from 82', expression(0, '74 - 82')],
    ['other brackets', demo, expression(1, '3 + 4 ^ 2')],
    ['brackets that are not there', 'calculate 3 + 4 * 2', expression(0, '(3 + 4) * 2')],
    ['the wrong two numbers first', 'the sum of 3 and 4, multiplied by 2', expression(0, '3 + 4 * 2')],
    ['a function nobody asked for', 'calculate 3 + 4', expression(0, 'sqrt(3 + 4)')],
    ['a result that is not used', 'calculate 3 + 4 and double it', expression(1, '3 * 2')],
    ['the text of another calculation', demo, change(2, { input: { text: '3 * 4 = {step_1.value}' } })],
    ['one result twice', demo, change(3, { input: { text: '12 * 7 = {step_1.value}' } })],
    ['a fixed text for a result', demo, change(2, { input: { text: '12 * 7 = 84' } })],
    ['a wrong quoted text', "add 'a' and 'b'", change(1, { input: { text: 'c' } })],
    ['a shortened quoted text', "add 'buy milk'", change(0, { input: { text: 'milk' } })],
    ['complete for remove', "remove 'a'", change(0, { tool: 'todo.complete' })],
    ['add for complete', "mark 'a' as done", change(0, { tool: 'todo.add' })],
    [
      'verbs the wrong way round',
      "add 'a' and remove 'b'",
      (steps) => change(1, { tool: 'todo.add' })(change(0, { tool: 'todo.remove' })(steps)),
    ],
    ['a wrong status', 'show my open todos', change(0, { input: { status: 'all' } })],
    ['a list that does not wait for the adds', demo, change(4, { needs: ['step_3'] })],
    [
      'a list before the add',
      "add 'a', then list my todos",
      (steps) => [
        { ...(steps[1] as Step), needs: [] },
        { ...(steps[0] as Step), needs: ['step_2'] },
      ],
    ],
    [
      'a reversed order',
      "complete 'a', then add 'b'",
      (steps) => [
        { ...(steps[0] as Step), needs: ['step_2'] },
        { ...(steps[1] as Step), needs: [] },
      ],
    ],
    ['a lost order', "complete 'a', then add 'b'", change(1, { needs: [] })],
    [
      'a missing condition',
      "if 12 * 7 is greater than 80, add 'x'",
      ([one, two]) => [one as Step, { id: 'step_2', tool: 'todo.add', input: (two as Step).input }],
    ],
    [
      'a turned comparison',
      "if 12 * 7 is greater than 80, add 'x'",
      change(1, { when: { ref: 'step_1.value', op: 'lt', value: 80 } }),
    ],
    [
      'a comparison with another number',
      "if 12 * 7 is greater than 80, add 'x'",
      change(1, { when: { ref: 'step_1.value', op: 'gt', value: 81 } }),
    ],
    [
      'a condition nobody asked for',
      "calculate 1 + 1 and add 'x'",
      change(1, { when: { ref: 'step_1.value', op: 'exists' } }),
    ],
    [
      'branches the wrong way round',
      "if 12 * 7 > 80, add 'x'",
      change(1, { when: { not: { ref: 'step_1.value', op: 'gt', value: 80 } } }),
    ],
  ])('rejects %s', async (_what, goal, spoil) => {
    const verdict = await judged(goal, spoil(await planOf(goal)));
    expect(verdict.is_valid).toBe(false);
    expect(verdict.confidence).toBeLessThan(0.5);
    expect(verdict.issues).not.toEqual([]);
  });

  test('is less sure with every issue', async () => {
    const steps = await planOf("add 'a', 'b' and 'c'");
    const [one, two] = [
      await judged("add 'a', 'b' and 'c'", steps.slice(0, 2)),
      await judged("add 'a', 'b' and 'c'", steps.slice(0, 1)),
    ];
    expect(two.confidence).toBeLessThan(one.confidence);
    expect(two.issues).toHaveLength(2);
  });

  test.each([
    ["remind me to add 'a'", 'remind'],
    ["add 'a' tomorrow", 'tomorrow'],
    ["do not add 'a'", 'not'],
    ["add 'a", 'not closed'],
    [`add 'a' ${'and '.repeat(2_000)}`, 'more than'],
  ])('rejects a plan for what it cannot read: %.40s', async (goal, why) => {
    const { is_valid, issues } = await judged(goal, await planOf("add 'a'"));
    expect(is_valid).toBe(false);
    expect(issues.join(' ')).toContain(why);
  });

  test('a text without quotes cannot swallow another request', async () => {
    const goal = 'add buy milk to my todo list, then list all todos';
    const text = 'buy milk to my todo list, then list all todos';
    expect((await judged(goal, [{ id: 'a', tool: 'todo.add', input: { text } }])).is_valid).toBe(false);
  });
});
