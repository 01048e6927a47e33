import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { OutsideTool, Tool } from './tool';
import { isVersion } from './version';

/** Longest limit of one try that a pack may ask for, seconds. */
const MAX_TIMEOUT_S = 3_600;

/** Most tries that a pack may ask for. */
const MAX_ATTEMPTS = 20;

const PackedTool = z.object({
  name: z
    .string()
    .max(200)
    .regex(
      /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/,
      'must be lower case with dots between the words, such as `mail.send`',
    ),
  version: z.string().max(50).refine(isVersion, 'must be a semantic version, such as 1.0.0'),
  description: z.string().min(1).max(2_000),
  // Whoever says nothing has said nothing about repetitions: it is called at most once.
  effect: z
    .enum(
      ['pure', 'idempotent', 'unsafe'],
      'must be `pure`, `idempotent` or `unsafe`: only built-in tools take part in transactions',
    )
    .default('unsafe'),
  input_schema: z.looseObject({ type: z.literal('object', 'must be `object`: the input of a tool is one') }),
  output_schema: z.looseObject({}).optional(),
  timeout_s: z.number().positive().max(MAX_TIMEOUT_S),
  max_attempts: z.number().int().min(1).max(MAX_ATTEMPTS),
  non_retryable: z.array(z.string().min(1).max(200)).max(50).optional(),
  call: z.custom<OutsideTool['call']>((value) => typeof value === 'function', 'must be a function'),
});

/**
 * Loads tools of the user's own from a module with `export const tools: Tool[]`. They run in the lane `tools`, whatever they
 * say: code of others is never instant work.
 * @param path of the module, relative to the working directory.
 * @throws Error that names the module, the tool and what is wrong with it.
 */
export function loadToolPack(path: string): Tool[] {
  const tools = exportedBy(path);
  if (!Array.isArray(tools)) {
    throw new Error(
      `The tool pack ${path} has no list of tools. Write \`export const tools = [ … ]\` in it.`,
    );
  }
  return tools.map((tool: unknown, index) => {
    const checked = PackedTool.safeParse(tool);
    if (!checked.success)
      throw new Error(`The tool pack ${path} is refused: ${wrongIn(tool, index, checked.error)}.`);
    const { call, output_schema, non_retryable, ...card } = checked.data;
    // Called on the tool itself: it may be an instance of a class that needs its `this`.
    const packed: OutsideTool = {
      ...card,
      ...(output_schema && { output_schema }),
      ...(non_retryable && { non_retryable }),
      lane: 'tools',
      call: (input, context) => call.call(tool, input, context),
    };
    return packed;
  });
}

/** `require`, not `import()`: it loads CommonJS and ES modules alike, in Node and in tests. */
function exportedBy(path: string): unknown {
  const file = resolve(path);
  try {
    return (createRequire(file)(file) as { tools?: unknown } | null)?.tools;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The tool pack ${path} cannot be loaded: ${why}`, { cause });
  }
}

function wrongIn(tool: unknown, index: number, error: z.ZodError): string {
  const name = typeof tool === 'object' && tool !== null && 'name' in tool ? ` (${String(tool.name)})` : '';
  return error.issues
    .map(({ path, message }) => `tools[${index}]${name} ${path.join('.')}: ${message}`)
    .join('; ');
}
