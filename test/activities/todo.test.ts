import { builtInTools } from '../../src/tools/built-in';
import { createRegistry } from '../../src/tools/registry';
import { Refusal } from '../../src/contracts/refusal';
import type { ToolContext } from '../../src/tools/tool';
import { createTestDatabase, type TestDatabase } from '../support/database';

interface Todo {
  id: string;
  text: string;
  done: boolean;
}
type Listed = { todos: Todo[]; count: number; has_more: boolean };

const tools = createRegistry(builtInTools());

describe('the todo tools', () => {
  let test_db: TestDatabase;
  let tenants = 0;
  /** Each test has a tenant of its own. */
  let tenant: string;
  beforeAll(async () => void (test_db = await createTestDatabase()));
  afterAll(() => test_db.drop());
  beforeEach(() => void (tenant = `tenant_${(tenants += 1)}`));

  async function use<Output>(name: string, input: unknown, of: Partial<ToolContext> = {}): Promise<Output> {
    const tool = tools.get(name);
    if (tool?.effect !== 'transactional') throw new Error(`${name} is not transactional`);
    const context: ToolContext = {
      tenant,
      user: null,
      run_id: 'run_1',
      step_id: 'step_1',
      attempt: 1,
      idempotency_key: 'k',
      signal: new AbortController().signal,
      progress: () => undefined,
      ...of,
    };
    return test_db.db.transaction(async (tx) => (await tool.call(input, context, tx)) as Output);
  }

  async function texts(of: Partial<ToolContext> = {}): Promise<string[]> {
    return (await use<Listed>('todo.list', {}, of)).todos.map(({ text }) => text);
  }

  /** The code of the failure that a call ends with. */
  async function failure(call: Promise<unknown>): Promise<string> {
    const error = await call.then(
      () => new Error('the call succeeded'),
      (thrown: unknown) => thrown,
    );
    return error instanceof Refusal ? error.code : String(error);
  }

  test('adds a todo and lists it', async () => {
    const todo = await use<Todo>('todo.add', { text: 'buy 84 apples' });
    expect(todo).toEqual({
      id: expect.stringMatching(/^todo_[0-9A-HJKMNP-TV-Z]{26}$/),
      text: 'buy 84 apples',
      done: false,
    });
    expect(await use('todo.list', {})).toEqual({ todos: [todo], count: 1, has_more: false });
  });

  test('lists nothing as nothing', async () => {
    expect(await use('todo.list', {})).toEqual({ todos: [], count: 0, has_more: false });
  });

  test('keeps text as it is', async () => {
    const text = `  "quoted" 'text'; drop table todos; -- {step_1} 😀\n`;
    await use('todo.add', { text });
    expect(await texts()).toEqual([text]);
    expect(await use('todo.complete', { text })).toMatchObject({ text, done: true });
  });

  test('lists in the order of creation, also after parallel adds', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => use('todo.add', { text: `t${index}` })));
    await use('todo.add', { text: 'last' });
    const listed = await texts();
    expect(listed).toHaveLength(9);
    expect(listed.at(-1)).toBe('last');
    await use('todo.complete', { text: 't3' });
    expect(await texts()).toEqual(listed);
  });

  test('lists open and done ones apart', async () => {
    for (const text of ['a', 'b', 'c']) await use('todo.add', { text });
    await use('todo.complete', { text: 'b' });
    const textsOf = async (status: string) =>
      (await use<Listed>('todo.list', { status })).todos.map(({ text }) => text);
    expect(await textsOf('open')).toEqual(['a', 'c']);
    expect(await textsOf('done')).toEqual(['b']);
    expect(await textsOf('all')).toEqual(['a', 'b', 'c']);
  });

  test('completes the oldest open one of a text, then one that is done already', async () => {
    const first = await use<Todo>('todo.add', { text: 'same' });
    const second = await use<Todo>('todo.add', { text: 'same' });
    expect(await use('todo.complete', { text: 'same' })).toEqual({ ...first, done: true });
    expect(await use('todo.complete', { text: 'same' })).toEqual({ ...second, done: true });
    expect(await use('todo.complete', { text: 'same' })).toEqual({ ...first, done: true });
  });

  test('completes both of a text when two steps do so at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const text = `twice ${round}`;
      await use('todo.add', { text });
      await use('todo.add', { text });
      const done = await Promise.all([
        use<Todo>('todo.complete', { text }),
        use<Todo>('todo.complete', { text }),
      ]);
      expect(new Set(done.map(({ id }) => id)).size).toBe(2);
    }
  });

  test('completes and removes by id', async () => {
    await use('todo.add', { text: 'same' });
    const second = await use<Todo>('todo.add', { text: 'same' });
    expect(await use('todo.complete', { id: second.id })).toEqual({ ...second, done: true });
    expect(await use('todo.remove', { id: second.id })).toEqual({ ...second, done: true });
    expect(await texts()).toEqual(['same']);
  });

  test('removes the oldest of a text', async () => {
    const first = await use<Todo>('todo.add', { text: 'same' });
    const second = await use<Todo>('todo.add', { text: 'same' });
    expect(await use('todo.remove', { text: 'same' })).toEqual(first);
    expect((await use<Listed>('todo.list', {})).todos).toEqual([second]);
  });

  test.each(['todo.complete', 'todo.remove'])('%s says when there is no such todo', async (name) => {
    await use('todo.add', { text: 'there' });
    expect(await failure(use(name, { text: 'There' }))).toBe('todo_not_found');
    expect(await failure(use(name, { id: 'todo_01ARZ3NDEKTSV4RRFFQ69G5FAV' }))).toBe('todo_not_found');
  });

  test('shows no list to another tenant or another user', async () => {
    const mine = await use<Todo>('todo.add', { text: 'mine' }, { user: 'ada' });
    for (const other of [{ user: 'bob' }, { user: null }, { tenant: 'elsewhere', user: 'ada' }]) {
      expect(await texts(other)).toEqual([]);
      for (const name of ['todo.complete', 'todo.remove']) {
        expect(await failure(use(name, { id: mine.id }, other))).toBe('todo_not_found');
        expect(await failure(use(name, { text: 'mine' }, other))).toBe('todo_not_found');
      }
    }
    expect((await use<Listed>('todo.list', {}, { user: 'ada' })).todos).toEqual([mine]);
  });

  test('takes 10,000 todos and no more, also at once, and lists a thousand', async () => {
    await test_db.db.transaction((tx) =>
      tx.query(
        `insert into todos (id, tenant, "user", text, run_id, step_id, created_at)
         select 'todo_' || $1 || n, $1, '', 'todo ' || n, 'run_1', 'step_1', now() from generate_series(1, 9998) n order by n`,
        [tenant],
      ),
    );
    const adds = await Promise.all(
      Array.from({ length: 5 }, (_, index) => failure(use('todo.add', { text: `more ${index}` }))),
    );
    expect(adds.filter((code) => code === 'too_many_todos')).toHaveLength(3);
    const { todos, count, has_more } = await use<Listed>('todo.list', {});
    expect([todos.length, count, has_more]).toEqual([1_000, 10_000, true]);
    expect(todos[0]?.text).toBe('todo 1');
    expect(await failure(use('todo.add', { text: 'of another' }, { user: 'ada' }))).toContain('succeeded');
    await use('todo.remove', { text: 'todo 5' });
    expect(await failure(use('todo.add', { text: 'again' }))).toContain('succeeded');
  });

  test('leaves nothing behind when its transaction is undone', async () => {
    const add = tools.get('todo.add');
    if (add?.effect !== 'transactional') throw new Error('todo.add is not transactional');
    const context = {
      tenant,
      user: null,
      run_id: 'r',
      step_id: 's',
      attempt: 1,
      idempotency_key: 'k',
      signal: new AbortController().signal,
      progress: () => undefined,
    };
    const undone = test_db.db.transaction(async (tx) => {
      await add.call({ text: 'lost' }, context, tx);
      throw new Error('killed');
    });
    await expect(undone).rejects.toThrow('killed');
    expect(await texts()).toEqual([]);
  });
});
