import { Command } from 'commander';
import type { Run } from '../contracts/run';
import { follow } from './follow';
import { answerOf } from './run-end';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { runId } from './words';

/** `longhaul runs watch <id>`: the tree on stderr, the answer on stdout. */
export function watchRun(around: Surroundings): Command {
  return new Command('watch')
    .description(
      'Follows a run to its end and prints its answer; exit code 3 when it fails, 5 when it is cancelled.',
    )
    .argument('<id>', 'id of the run', runId)
    .addOption(outputOption())
    .action(async (id: string, { output }: Output) => {
      const api = around.api();
      await api.get<Run>(`/v1/runs/${id}`); // what is wrong with the id or the key is said before anything is followed
      const run = await follow(around, api, id);
      if (output === 'json') printJson(around, run);
      const answer = answerOf(run);
      around.err('\n');
      if (output === 'text' && answer !== null) around.out(`${answer}\n`);
    });
}
