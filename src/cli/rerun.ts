import { Option, type Command } from 'commander';
import type { Rerun } from '../contracts/restart';
import type { Run } from '../contracts/run';
import { follow } from './follow';
import { originWords } from './lineage';
import { plain } from './plain';
import { answerOf } from './run-end';
import { outputOption, printJson, printTable, type Output, type Surroundings } from './terminal';

/** What restart and fork have in common. */
export interface RerunOptions extends Output {
  reason?: string;
  dryRun?: boolean;
  idempotencyKey?: string;
  watch?: boolean;
}

/** Adds the options that restart and fork have in common. */
export function withRerunOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for those who look at it later')
    .addOption(
      new Option('--dry-run', 'only say what would be taken over and what would run').conflicts([
        'idempotencyKey',
        'watch',
      ]),
    )
    .option('--idempotency-key <key>', 'the same key within 24 hours gives the same run')
    .option('--watch', 'follow the new run to its end; exit code 3 when it fails, 5 when it is cancelled')
    .addOption(outputOption());
}

/**
 * Restarts or forks a run, or says what that would do. The id of the new run goes to stdout; what becomes of it, its answer too, is
 * shown on stderr where it is watched.
 */
export async function rerun(
  around: Surroundings,
  { id, as, body }: { id: string; as: 'restart' | 'fork'; body: object },
  { dryRun = false, idempotencyKey, watch = false, output }: RerunOptions,
): Promise<void> {
  const api = around.api();
  const path = `/v1/runs/${id}/${as}`;
  if (dryRun) {
    const would = await api.post<Rerun>(path, body, { query: { dry_run: 'true' } });
    return output === 'json' ? printJson(around, would) : report(around, would);
  }
  const headers: Record<string, string> =
    idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey };
  const run = await api.post<Run>(path, body, { headers });
  if (output === 'json') printJson(around, run);
  else around.out(`${run.id}\n`);
  around.err(`${run.id} is a ${originWords(run.origin)}.\n`);
  if (!watch) return around.err(`\`longhaul runs watch ${run.id}\` follows it.\n`);
  const answer = answerOf(await follow(around, api, run.id));
  if (answer !== null) around.err(`\n${answer}\n`);
}

const BECAUSE: Record<Rerun['steps'][number]['because'], string> = {
  completed: 'completed',
  skipped: 'was skipped',
  chosen: 'chosen',
  not_completed: 'did not complete',
  changed: 'was changed',
  depends: 'needs a step that runs',
};

const PLANNING: Record<Rerun['planning'], string> = {
  reused: 'Its plan is taken over.',
  given: 'The plan is the given one.',
  again: 'A plan is drafted anew.',
};

/** What a restart or fork would do: the steps as a table on stdout, everything else besides. */
function report(around: Surroundings, { origin, planning, steps, missing, last }: Rerun): void {
  around.err(`It would be a ${originWords(origin)}. ${PLANNING[planning]}\n`);
  if (steps.length > 0) {
    const rows = steps.map(({ id, tool, tool_version, action, because, last_status, last_duration_ms }) => [
      id,
      tool_version === null ? tool : `${tool}@${tool_version}`,
      action,
      BECAUSE[because] ?? because,
      last_status ?? '-',
      last_duration_ms === null ? '-' : `${last_duration_ms} ms`,
    ]);
    printTable(around, ['STEP', 'TOOL', 'ACTION', 'BECAUSE', 'LAST TIME', 'TOOK'], rows);
  }
  for (const { step_id, tool, version, detail } of missing)
    around.err(`Missing for ${step_id}: ${tool}@${version}. ${plain(detail)}\n`);
  if (missing.length > 0) around.err('Without what is missing it is refused.\n');
  const { duration_ms, model_calls, tokens, cost_usd } = last;
  const money = cost_usd === null ? 'at a price that is not known' : `for $${cost_usd}`;
  const models = model_calls === 0 ? '' : ` and ${model_calls} model calls of ${tokens} tokens ${money}`;
  around.err(`What would be repeated took ${duration_ms} ms${models} last time.\n`);
}
