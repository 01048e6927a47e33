import type { Catalogue } from '../../../src/tools/registry';
import type { ToolCard } from '../../../src/contracts/tool';

const text = { type: 'string', minLength: 1, maxLength: 500, pattern: '\\S' };
const which = {
  type: 'object',
  properties: { text, id: { type: 'string', pattern: '^todo_' } },
  minProperties: 1,
  maxProperties: 1,
  additionalProperties: false,
};
const SCHEMAS: Record<string, Record<string, unknown>> = {
  calculator: object({ expression: { type: 'string', minLength: 1, maxLength: 1000 } }, ['expression']),
  'todo.add': object({ text }, ['text']),
  'todo.list': object({ status: { type: 'string', enum: ['open', 'done', 'all'] } }, []),
  'todo.complete': which,
  'todo.remove': which,
};

/** The card of a tool for tests. */
export function card(name: string, input_schema: Record<string, unknown>, version = '1.0.0'): ToolCard {
  return {
    name,
    version,
    description: name,
    effect: 'pure',
    lane: 'instant',
    input_schema,
    timeout_s: 5,
    max_attempts: 3,
  };
}

/** Cards of the tools that the pattern planner knows. */
export const CARDS: ToolCard[] = Object.entries(SCHEMAS).map(([name, schema]) => card(name, schema));

/** A catalogue of these cards; of several versions the last one is the newest. */
export function catalogue(cards: readonly ToolCard[] = CARDS): Catalogue {
  const of = (name: string): ToolCard[] => cards.filter((one) => one.name === name);
  return {
    find: (name, version) =>
      version === undefined ? of(name).at(-1) : of(name).find((one) => one.version === version),
    versions: (name) => of(name).map(({ version }) => version),
    names: () => [...new Set(cards.map(({ name }) => name))],
  };
}

function object(properties: Record<string, unknown>, required: string[]): Record<string, unknown> {
  return { type: 'object', properties, required, additionalProperties: false };
}
