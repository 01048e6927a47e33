import { newId } from '../db/new-id';
import type { Tx } from '../db/tx';
import { Refusal } from '../contracts/refusal';
import type { ToolContext, TransactionalTool } from './tool';

/** Longest text of a todo, characters. */
const MAX_TEXT = 500;

/** Todos that one list holds, of one tenant and user. */
const MAX_TODOS = 10_000;

/** Todos that `todo.list` returns at most: with texts of usual length they fit the limit of a step's output. */
const MAX_LISTED = 1_000;

/** A todo as the tools return it. */
interface Todo {
  id: string;
  text: string;
  done: boolean;
}

/** How a todo is named: by exactly one of both. */
type Which = { id: string } | { text: string };

const traits = {
  version: '1.0.0',
  effect: 'transactional',
  lane: 'instant',
  timeout_s: 5,
  // A failed statement is most often a lost connection; what cannot succeed is a Refusal of a terminal kind.
  max_attempts: 3,
} as const;

// A pattern instead of a trim: the text is stored as given, and blank ones are refused.
const text = { type: 'string', minLength: 1, maxLength: MAX_TEXT, pattern: '\\S' };
const id = { type: 'string', pattern: '^todo_[0-9A-HJKMNP-TV-Z]{26}$' };

const which = {
  type: 'object',
  properties: { text: { ...text, description: 'The whole text of the todo.' }, id },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
};

const add: TransactionalTool = {
  ...traits,
  name: 'todo.add',
  description: 'Adds a todo to the list of the user. Gives {id, text, done}.',
  input_schema: { type: 'object', properties: { text }, required: ['text'], additionalProperties: false },
  async call(input, context, tx): Promise<Todo> {
    const { text } = input as { text: string };
    await holdList(tx, context);
    const [todo] = await tx.query<Todo>(
      `insert into todos (id, tenant, "user", text, run_id, step_id, created_at)
       select $3, $1, $2, $4, $5, $6, now()
       where (select count(*) from todos where tenant = $1 and "user" = $2) < $7
       returning id, text, done`,
      [...owner(context), newId('todo'), text, context.run_id, context.step_id, MAX_TODOS],
    );
    if (todo !== undefined) return todo;
    throw new Refusal('too_many_todos', `The list already holds ${MAX_TODOS} todos. Remove some first.`);
  },
};

const list: TransactionalTool = {
  ...traits,
  name: 'todo.list',
  description:
    `Lists the todos of the user, oldest first. Gives {todos: [{id, text, done}], count, has_more}; count is how many there ` +
    `are, of which the first ${MAX_LISTED} are listed.`,
  input_schema: {
    type: 'object',
    properties: { status: { type: 'string', enum: ['open', 'done', 'all'], default: 'all' } },
    additionalProperties: false,
  },
  async call(input, context, tx): Promise<{ todos: Todo[]; count: number; has_more: boolean }> {
    const { status = 'all' } = input as { status?: 'open' | 'done' | 'all' };
    const rows = await tx.query<Todo & { count: number }>(
      `select id, text, done, (count(*) over ())::integer as count from todos
       where tenant = $1 and "user" = $2 and ($3::boolean is null or done = $3)
       order by position, id limit $4`,
      [...owner(context), status === 'all' ? null : status === 'done', MAX_LISTED],
    );
    const count = rows[0]?.count ?? 0;
    const todos = rows.map(({ id, text, done }) => ({ id, text, done }));
    return { todos, count, has_more: count > todos.length };
  },
};

const complete: TransactionalTool = {
  ...traits,
  name: 'todo.complete',
  description:
    'Marks a todo as done, named by its text or its id: of several with this text the oldest open one, and one that is done ' +
    'already stays done. Gives {id, text, done}.',
  input_schema: which,
  async call(input, context, tx): Promise<Todo> {
    await holdList(tx, context);
    const [todo] = await tx.query<Todo>(
      `update todos set done = true, completed_at = coalesce(completed_at, now())
       where tenant = $1 and "user" = $2 and id = (
         select id from todos where tenant = $1 and "user" = $2 and (id = $3 or text = $4)
         order by done, position, id limit 1)
       returning id, text, done`,
      [...owner(context), ...named(input)],
    );
    return todo ?? notFound(input);
  },
};

const remove: TransactionalTool = {
  ...traits,
  name: 'todo.remove',
  description:
    'Removes a todo, named by its text or its id: of several with this text the oldest. Gives the removed {id, text, done}.',
  input_schema: which,
  async call(input, context, tx): Promise<Todo> {
    await holdList(tx, context);
    const [todo] = await tx.query<Todo>(
      `delete from todos
       where tenant = $1 and "user" = $2 and id = (
         select id from todos where tenant = $1 and "user" = $2 and (id = $3 or text = $4)
         order by position, id limit 1)
       returning id, text, done`,
      [...owner(context), ...named(input)],
    );
    return todo ?? notFound(input);
  },
};

/** The tools over the todo list of a tenant's user: `todo.add`, `todo.list`, `todo.complete`, `todo.remove`. */
export const todoTools: TransactionalTool[] = [add, list, complete, remove];

/**
 * Changes to one list happen one after the other, until the transaction ends. Else two steps that complete the same text at
 * once would both take the oldest todo, and parallel adds could overrun the limit. A statement of its own: a combined one
 * would see the list as it was before the lock.
 */
async function holdList(tx: Tx, context: ToolContext): Promise<void> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('todos/' || $1::text || '/' || $2::text, 0))`,
    owner(context),
  );
}

function owner({ tenant, user }: ToolContext): [tenant: string, user: string] {
  return [tenant, user ?? ''];
}

/** Values of `id = $3 or text = $4`: the one that was not given is null and matches nothing. */
function named(input: unknown): [id: string | null, text: string | null] {
  const which = input as Which;
  return 'id' in which ? [which.id, null] : [null, which.text];
}

function notFound(input: unknown): never {
  const which = input as Which;
  const what = 'id' in which ? `the id ${which.id}` : `the text "${which.text}"`;
  throw new Refusal('todo_not_found', `No todo has ${what}.`);
}
