import type { OutsideTool } from '../../src/tools/tool';

function tool(
  name: string,
  effect: OutsideTool['effect'],
  call: (input: Record<string, unknown>) => unknown,
): OutsideTool {
  return {
    name,
    version: '1.0.0',
    description: `Test tool ${name}.`,
    effect,
    lane: 'tools',
    input_schema: { type: 'object' },
    timeout_s: 30,
    max_attempts: 2,
    call: (input) => Promise.resolve(input as Record<string, unknown>).then(call),
  };
}

function fail({ chars }: Record<string, unknown>): never {
  throw new Error('€'.repeat(Number(chars)));
}

/** Tools whose outputs and failures are as large as the step wants. */
export const tools: OutsideTool[] = [
  tool('large.output', 'pure', ({ chars }) => 'x'.repeat(Number(chars))),
  tool('large.failure', 'pure', fail),
  tool('large.question', 'unsafe', fail),
];
