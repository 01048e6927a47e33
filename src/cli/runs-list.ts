import { Command, Option } from 'commander';
import { ORIGIN_TYPES, type Origin } from '../contracts/origin';
import type { Run } from '../contracts/run';
import type { RunStatus } from '../contracts/run-status';
import { clip } from '../watch/run-tree';
import { listRuns } from './run-pages';
import { outputOption, printJson, printTable, type Output, type Surroundings } from './terminal';
import { count, runId, statuses } from './words';

const MOST = 10_000;

interface Options extends Output {
  status?: RunStatus[];
  tag?: string;
  origin?: Origin['type'];
  root?: string;
  limit: number;
}

/** `longhaul runs list`: one line a run. */
export function showRuns(around: Surroundings): Command {
  return new Command('list')
    .description('Lists runs, the newest first.')
    .option('--status <statuses>', 'those that stand so: failed,timed_out', statuses)
    .option('--tag <tag>', 'those that have this tag')
    .addOption(
      new Option('--origin <origin>', 'those that came about so: `api` is a submit').choices(ORIGIN_TYPES),
    )
    .option('--root <run>', 'those of one lineage, by its first run', runId)
    .option('--limit <count>', 'how many at most', count(MOST), 20)
    .addOption(outputOption())
    .action(async ({ status, tag, origin, root, limit, output }: Options) => {
      const filter = { status: status?.join(','), tag, origin, root_run_id: root };
      const { runs, has_more } = await listRuns(around.api(), filter, limit);
      if (output === 'json') return printJson(around, runs);
      printTable(around, ['ID', 'STATUS', 'CREATED', 'ORIGIN', 'STEPS', 'GOAL'], runs.map(cellsOf));
      if (has_more) around.err(`There are more; --limit takes up to ${MOST}.\n`);
    });
}

function cellsOf({ id, status, superseded_by, created_at, origin, progress, goal }: Run): string[] {
  const state = superseded_by === null ? status : `${status}, superseded`;
  return [id, state, created_at, origin.type, `${progress.steps_done}/${progress.steps_total}`, clip(goal)];
}
