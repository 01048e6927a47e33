import type { Step } from '../../src/contracts/plan';

/** A plan that passes the plan check and does not do what the goal asks. */
export interface PlantedPlan {
  goal: string;
  defect: string;
  steps: Step[];
}

const calc = (id: string, expression: string): Step => ({ id, tool: 'calculator', input: { expression } });
const add = (id: string, text: string, needs?: string[]): Step => ({
  id,
  tool: 'todo.add',
  input: { text },
  ...(needs && { needs }),
});
const list = (id: string, needs?: string[]): Step => ({
  id,
  tool: 'todo.list',
  input: {},
  ...(needs && { needs }),
});

export const PLANTED: PlantedPlan[] = [
  { goal: 'calculate 12 + 5 and 7 * 3', defect: 'a calculation is missing', steps: [calc('a', '12 + 5')] },
  { goal: 'calculate 31 - 4', defect: 'another number', steps: [calc('a', '31 - 5')] },
  { goal: 'calculate 8 plus 9', defect: 'another operator', steps: [calc('a', '8 * 9')] },
  { goal: 'add "buy milk" to my todo list', defect: 'another text', steps: [add('a', 'buy cheese')] },
  {
    goal: 'add "one" as a todo',
    defect: 'a step that nobody asked for',
    steps: [add('a', 'one'), { id: 'b', tool: 'todo.remove', input: { text: 'one' }, needs: ['a'] }],
  },
  {
    goal: 'remove the todo "old thing"',
    defect: 'another verb',
    steps: [{ id: 'a', tool: 'todo.complete', input: { text: 'old thing' } }],
  },
  {
    goal: 'add "tea" as a todo and list my todos',
    defect: 'the listing is missing',
    steps: [add('a', 'tea')],
  },
  {
    goal: 'calculate 6 * 7 and add the result as a todo',
    defect: 'the result is not used',
    steps: [calc('a', '6 * 7'), add('b', 'done')],
  },
  {
    goal: 'add "solo" to my todo list and then list all todos',
    defect: 'a step is doubled',
    steps: [add('a', 'solo'), add('b', 'solo'), list('c', ['a', 'b'])],
  },
  {
    goal: 'list my todos',
    defect: 'a calculation that nobody asked for',
    steps: [list('a'), calc('b', '40 + 2')],
  },
];
