import { appendFile, readFile } from 'node:fs/promises';
import type { PureTool } from '../../src/tools/tool';

/** What a call of `test.mendable` is given. */
interface Mendable {
  /** A file that gets a line for each call: the step, and what it is to give back. */
  ledger: string;
  gives: unknown;
}

/** A tool that fails at the steps which a file beside its ledger names, until somebody mends it. */
export const tools: PureTool[] = [
  {
    name: 'test.mendable',
    version: '1.0.0',
    description: 'Gives back what it is given, where it is not broken.',
    effect: 'pure',
    lane: 'tools',
    input_schema: { type: 'object', required: ['ledger'] },
    timeout_s: 10,
    max_attempts: 1,
    async call(input, { step_id }) {
      const { ledger, gives } = input as Mendable;
      await appendFile(ledger, `${step_id} ${JSON.stringify(gives)}\n`);
      const broken = await readFile(`${ledger}.broken`, 'utf8');
      if (broken.split(' ').includes(step_id)) throw new Error(`${step_id} is broken`);
      return { value: gives };
    },
  },
];
