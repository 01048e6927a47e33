import { Command, Option } from 'commander';
import type { Surroundings } from './terminal';
import { json, runId, stepId } from './words';

interface Options {
  outcome: 'done' | 'not-done';
  reason: string;
  output?: unknown;
}

/** `longhaul runs resolve <id> <step>`. */
export function resolveStep(around: Surroundings): Command {
  return new Command('resolve')
    .description('Answers whether the effect of a step happened, where that is not known.')
    .argument('<id>', 'id of the run', runId)
    .argument('<step>', 'id of the step that waits', stepId)
    .addOption(
      new Option('--outcome <outcome>', 'done: the step completes; not-done: its tool is called again')
        .choices(['done', 'not-done'])
        .makeOptionMandatory(),
    )
    .requiredOption('--reason <text>', 'how you know')
    .option('--output <json>', 'what the tool would have returned, with `done`; null when absent', json)
    .action(async (id: string, step: string, { outcome, reason, output }: Options) => {
      const body = { outcome: outcome === 'done' ? 'done' : 'not_done', output, reason };
      await around.api().post(`/v1/runs/${id}/steps/${step}/resolve`, body);
      const next = outcome === 'done' ? 'counts as done' : 'is tried again';
      around.err(`${step} ${next}, and ${id} goes on; \`longhaul runs watch ${id}\` follows it.\n`);
    });
}
