/** Goals in the words of users, with the values that must come out: of the calculations in the plan's order, and of the todo list at the end. */
export interface GoalCase {
  goal: string;
  values?: (number | string)[];
  /** Texts of the list at the end, done ones with a tick. */
  todos?: string[];
  /** Texts that the last listing showed. */
  listed?: string[];
}

export const GOALS: GoalCase[] = [
  { goal: 'What is 17 * 23?', values: [391] },
  { goal: 'calculate 0.1 + 0.2', values: [0.3] },
  { goal: 'Please work out 2/3*60.', values: [40] },
  { goal: 'compute (8 - 3) * (2 + 6)', values: [40] },
  { goal: 'What is 2 ^ 100?', values: ['1267650600228229401496703205376'] },
  { goal: 'Could you calculate 1,234 + 4,321?', values: [5555] },
  { goal: 'calculate seven times eight', values: [56] },
  { goal: 'what is twelve plus thirty-four', values: [46] },
  { goal: 'divide 144 by 12', values: [12] },
  { goal: 'What is 15 percent of 80?', values: [12] },
  { goal: 'calculate the square root of 144', values: [12] },
  { goal: 'Work out 9 squared and 4 cubed', values: [81, 64] },
  { goal: 'calculate 5 + 5, 6 * 6 and 7 - 9', values: [10, 36, -2] },
  { goal: 'What is the sum of 19 and 23?', values: [42] },
  { goal: 'calculate 100 / 8 and then add 2 to the result', values: [12.5, 14.5] },
  { goal: 'Calculate 6 * 7, then multiply the result by 10', values: [42, 420] },
  { goal: 'calculate 30 - 4 and double it', values: [26, 52] },
  { goal: 'add "buy milk" to my todo list', todos: ['buy milk'] },
  {
    goal: 'Add the todos "water plants", "feed cat" and "call Ann"',
    todos: ['water plants', 'feed cat', 'call Ann'],
  },
  { goal: 'add buy bread to my todo list', todos: ['buy bread'] },
  { goal: "add 'pay rent' as a todo and then list my todos", todos: ['pay rent'], listed: ['pay rent'] },
  {
    goal: 'add "one" and "two" as todos, then mark "one" as done and list all todos',
    todos: ['✓ one', 'two'],
    listed: ['one', 'two'],
  },
  {
    goal: 'add "one" and "two" as todos, then complete "two", then list the open todos',
    todos: ['one', '✓ two'],
    listed: ['one'],
  },
  {
    goal: 'add "keep" and "drop" as todos, then remove "drop", then show my todos',
    todos: ['keep'],
    listed: ['keep'],
  },
  { goal: 'calculate 11 * 11 and add the result as a todo', values: [121], todos: ['11 * 11 = 121'] },
  {
    goal: 'calculate 3 + 4 and 5 * 6, then add both results as todos',
    values: [7, 30],
    todos: ['3 + 4 = 7', '5 * 6 = 30'],
  },
  {
    goal: 'calculate 2 + 2, 3 + 3 and 4 + 4, add all results as todos and list my todos',
    values: [4, 6, 8],
    todos: ['2 + 2 = 4', '3 + 3 = 6', '4 + 4 = 8'],
    listed: ['2 + 2 = 4', '3 + 3 = 6', '4 + 4 = 8'],
  },
  { goal: 'if 12 * 7 is greater than 80, add "big" as a todo', values: [84], todos: ['big'] },
  { goal: 'if 12 * 7 is less than 80, add "small" as a todo', values: [84], todos: [] },
  { goal: 'list my todos', listed: [] },
  { goal: 'What is 7 minus 10, and what is 8 divided by 5?', values: [-3, 1.6] },
];
