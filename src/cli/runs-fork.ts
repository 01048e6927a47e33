import { Command, Option } from 'commander';
import { TIERS, type Tier } from '../contracts/model';
import { rerun, withRerunOptions, type RerunOptions } from './rerun';
import type { Surroundings } from './terminal';
import { json, jsonFile, runId } from './words';

interface Options extends RerunOptions {
  at: string;
  goal?: string;
  stepInput?: unknown;
  plan?: unknown;
  model?: Tier;
}

/** `longhaul runs fork <id>`. */
export function forkRun(around: Surroundings): Command {
  const command = new Command('fork')
    .description('Repeats a run that has ended as a new one with edits; prints its id.')
    .argument('<id>', 'id of the run', runId)
    .requiredOption('--at <point>', '`start`: all anew; or the id of a step: from that one on')
    .option('--goal <text>', 'another goal; needs `--at start`')
    .option('--step-input <json>', 'another input of the step that --at names', json)
    .option('--plan <file>', 'another plan: a file of JSON, {"steps": […]}', jsonFile)
    .addOption(new Option('--model <tier>', 'models that plan and answer').choices(TIERS));
  return withRerunOptions(command).action(
    async (id: string, { at, goal, stepInput, plan, model, reason, ...options }: Options) => {
      const body = { at, goal, step_input: stepInput, plan, model, reason };
      await rerun(around, { id, as: 'fork', body }, options);
    },
  );
}
