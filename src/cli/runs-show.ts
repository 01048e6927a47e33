import { Command } from 'commander';
import type { EventData, RunEvent } from '../contracts/event';
import type { StepView } from '../contracts/round-views';
import type { Run } from '../contracts/run';
import type { Api } from './api';
import { reportRun, type Question } from './run-report';
import { listRuns } from './run-pages';
import { outputOption, printJson, type Output, type Surroundings } from './terminal';
import { runId } from './words';

/** Runs of a lineage that are shown at most. */
const MOST_OF_LINEAGE = 200;
/** Events that are asked for at once. */
const PAGE = 500;

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
      const [questions, lineage] = await Promise.all([questionsOf(api, run), lineageOf(api, run)]);
      if (output === 'json') printJson(around, { ...run, questions, lineage: lineage.runs });
      else around.out(`${reportRun(run, questions, lineage).join('\n')}\n`);
    });
}

const lineageOf = (api: Api, { root_run_id }: Run) =>
  listRuns(api, { root_run_id, sort: 'created_at' }, MOST_OF_LINEAGE);

/** What is asked of people just now: the newest question of each step that waits. */
async function questionsOf(api: Api, { id, steps = [] }: Run): Promise<Question[]> {
  const waiting = new Set(
    steps.filter(({ status }: StepView) => status === 'waiting').map((step) => step.id),
  );
  if (waiting.size === 0) return [];
  const asked = new Map<string, Question>();
  for (let after = 0; ;) {
    const page = await api.get<{ data: RunEvent[]; has_more: boolean; position: number }>(
      `/v1/runs/${id}/events`,
      { types: 'step.needs_attention', after, limit: PAGE },
    );
    for (const { step_id = '', data } of page.data) {
      const { question, failure } = data as EventData['step.needs_attention'];
      if (waiting.has(step_id)) asked.set(step_id, { step_id, question, failure });
    }
    if (!page.has_more) return [...asked.values()];
    after = page.position;
  }
}
