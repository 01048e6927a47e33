import { Command } from 'commander';
import { rerun, withRerunOptions, type RerunOptions } from './rerun';
import type { Surroundings } from './terminal';
import { runId } from './words';

/** `longhaul runs restart <id>`. */
export function restartRun(around: Surroundings): Command {
  const command = new Command('restart')
    .description('Repeats a run that has ended as a new one, which takes over what completed; prints its id.')
    .argument('<id>', 'id of the run', runId)
    .option(
      '--from <point>',
      '`failed`: what did not complete; `start`: every step; or the id of a step',
      'failed',
    );
  return withRerunOptions(command).action(
    async (id: string, { from, reason, ...options }: RerunOptions & { from: string }) =>
      rerun(around, { id, as: 'restart', body: { from, reason } }, options),
  );
}
