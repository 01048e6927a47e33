import { Command } from 'commander';
import type { Run } from '../contracts/run';
import { answerOf } from './run-end';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { runId } from './words';

/** `longhaul runs output <id>`: the answer, and nothing else, on stdout. */
export function printAnswer(around: Surroundings): Command {
  return new Command('output')
    .description(
      'Prints the answer of a run; exit code 3 when it failed, 5 when it was cancelled, 7 when it goes on.',
    )
    .argument('<id>', 'id of the run', runId)
    .addOption(outputOption())
    .action(async (id: string, { output }: Output) => {
      const run = await around.api().get<Run>(`/v1/runs/${id}`);
      const answer = answerOf(run);
      if (output === 'json') printJson(around, { id, status: run.status, answer: run.answer });
      else if (answer !== null) around.out(`${answer}\n`);
      else around.err(`${id} only planned; \`longhaul runs show ${id}\` shows its plan.\n`);
    });
}
