import { open } from 'node:fs/promises';

/** The printer of this example: a file. It is switched off while there is none. */
const PRINTER = '.longhaul/printer';

export const tools = [
  {
    name: 'letter.print',
    version: '1.0.0',
    description: 'Prints a letter: {sheets}.',
    effect: 'unsafe',
    input_schema: {
      type: 'object',
      properties: { text: { type: 'string' }, paper: { type: 'string' } },
      required: ['text'],
      additionalProperties: false,
    },
    output_schema: {
      type: 'object',
      properties: { sheets: { type: 'integer' } },
      required: ['sheets'],
    },
    timeout_s: 30,
    max_attempts: 3,
    non_retryable: ['WrongPaper'],

    async call({ text, paper = 'A4' }, { signal, progress }) {
      // Another try is of no use, and nothing was printed: the step fails.
      if (paper !== 'A4') throw named('WrongPaper', `There is no ${paper} in the tray.`);

      // Nothing was printed, which the error says: it is tried again.
      const printer = await open(PRINTER, 'r+').catch((error) => {
        throw Object.assign(new Error('The printer is off.', { cause: error }), { not_done: true });
      });
      try {
        const lines = text.split('\n');
        const { size } = await printer.stat();
        let end = size;
        for (const [done, line] of lines.entries()) {
          signal.throwIfAborted();
          end += (await printer.write(`${line}\n`, end)).bytesWritten;
          // From here on a sheet may lie in the tray. Any error leaves open how much of it is printed: a person is asked.
          if (line.includes('staple')) throw new Error('Paper jam.');
          progress((done + 1) / lines.length, `line ${done + 1}`);
        }
        return { sheets: Math.ceil(lines.length / 60) };
      } finally {
        await printer.close();
      }
    },
  },
];

function named(name, message) {
  return Object.assign(new Error(message), { name });
}
