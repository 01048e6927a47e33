import type { OutsideTool } from '../../src/tools/tool';

/** A tool of which nobody knows whether it took effect. */
export const tools: OutsideTool[] = [
  {
    name: 'test.doubtful',
    version: '1.0.0',
    description: 'Test tool test.doubtful.',
    effect: 'unsafe',
    lane: 'tools',
    input_schema: { type: 'object' },
    timeout_s: 10,
    max_attempts: 3,
    call: () => Promise.reject(new Error('The connection was lost.')),
  },
];
