import { Command } from 'commander';
import type { Run } from '../contracts/run';
import { reportRun } from './run-report';
import { listRuns } from './run-pages';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { runId } from './words';

/** Runs of a lineage that are shown at most. */
const MOST_OF_LINEAGE = 200;

/** `longhaul runs show <id>`. */
export function showRun(around: Surroundings): Command {
  return new Command('show')
    .description(
      'Shows a run: how it stands, its steps, what it waits for, which runs it comes from and led to.',
    )
    .argument('<id>', 'id of the run', runId)
    .addOption(outputOption())
    .action(async (id: string, { output }: Output) => {
      const api = around.api();
      const run = await api.get<Run>(`/v1/runs/${id}`, { 'expand[]': 'plan,steps' });
      const { root_run_id } = run;
      const lineage = await listRuns(api, { root_run_id, sort: 'created_at' }, MOST_OF_LINEAGE);
      if (output === 'json') printJson(around, { ...run, lineage: lineage.runs });
      else around.out(`${reportRun(run, lineage).join('\n')}\n`);
    });
}
