import { Command } from 'commander';
import type { Run } from '../contracts/run';
import { isTerminal } from '../contracts/run-status';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { runId } from './words';

/** `longhaul runs cancel <id>`. */
export function cancelRun(around: Surroundings): Command {
  return new Command('cancel')
    .description('Wishes a run cancelled; one that has ended stays as it is.')
    .argument('<id>', 'id of the run', runId)
    .option('--reason <text>', 'why, for those who look at it later')
    .addOption(outputOption())
    .action(async (id: string, { reason, output }: Output & { reason?: string }) => {
      const run = await around.api().post<Run>(`/v1/runs/${id}/cancel`, { reason });
      if (output === 'json') printJson(around, run);
      const { status } = run;
      around.err(isTerminal(status) ? `${id} has ended: ${status}.\n` : `${id} is being cancelled.\n`);
    });
}
