import type { StepView } from '../contracts/round-views';
import type { Run } from '../contracts/run';
import { isTerminal } from '../contracts/run-status';
import { clip } from '../watch/run-tree';
import { compact } from '../watch/run-view';
import { lineageTree, originWords } from './lineage';
import { plain } from './plain';
import { failureLines, restartLine } from './run-end';
import { tableLines } from './terminal';

/** Widest label, characters. */
const LABEL = 10;

/** Everything that is worth knowing of a run, in lines of text. */
export function reportRun(run: Run, lineage: { runs: readonly Run[]; has_more: boolean }): string[] {
  const { steps = [] } = run;
  return [
    ...head(run),
    ...section(`Steps of plan ${run.plan?.version ?? ''}`, stepTable(steps)),
    ...section(
      'Waits for an answer',
      steps.filter(({ status }) => status === 'waiting').flatMap(questionLines),
    ),
    ...section('Lineage', lineage.runs.length < 2 ? [] : lineageTree(lineage.runs, run.id)),
    ...(lineage.has_more
      ? [`… and more: \`longhaul runs list --root ${run.root_run_id}\` has the newest.`]
      : []),
    ...section('Answer', run.answer === null ? [] : plain(run.answer).split('\n')),
  ];
}

function head(run: Run): string[] {
  const {
    id,
    status,
    phase,
    goal,
    created_at,
    finished_at,
    error,
    status_reason,
    origin,
    superseded_by,
    usage,
  } = run;
  const time = finished_at === null ? '' : `, ended ${finished_at}`;
  const tokens = usage.input_tokens + usage.output_tokens;
  const cost = usage.cost_usd === null ? 'at a price that is not known' : `$${usage.cost_usd}`;
  return [
    ...labelled('Run', [id]),
    ...labelled('Status', [phase === null || isTerminal(status) ? status : `${status}, ${phase}`]),
    ...labelled('Reason', error === null && status_reason !== null ? [plain(status_reason)] : []),
    ...labelled('Error', error === null ? [] : failureLines(error)),
    ...labelled(
      'Next',
      isTerminal(status) && status !== 'completed' && superseded_by === null ? [restartLine(id)] : [],
    ),
    ...labelled('Goal', plain(goal).split('\n')),
    ...labelled('Created', [`${created_at}${time}`]),
    ...labelled('Origin', [originWords(origin)]),
    ...labelled('Root', run.root_run_id === id ? [] : [run.root_run_id]),
    ...labelled('Superseded', superseded_by === null ? [] : [`by ${superseded_by}`]),
    ...labelled('Models', tokens === 0 ? [] : [`${tokens} tokens, ${cost}`]),
  ];
}

/** Lines behind a label; nothing where there are none. */
function labelled(label: string, lines: readonly string[]): string[] {
  return lines.map((line, place) => `${(place === 0 ? label : '').padEnd(LABEL)}  ${line}`);
}

/** Lines below a heading; nothing where there are none. */
function section(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', heading, ...lines.map((line) => `  ${line}`.trimEnd())];
}

function stepTable(steps: readonly StepView[]): string[] {
  if (steps.length === 0) return [];
  const rows = steps.map((step) => {
    const { id, tool, tool_version, status, reused, tries } = step;
    return [id, `${tool}@${tool_version}`, status, reused ? 'yes' : '', String(tries), saidOf(step)];
  });
  return tableLines(['STEP', 'TOOL', 'STATUS', 'REUSED', 'FAILED TRIES', 'SAID'], rows);
}

/** What a step led to, in a few words. */
function saidOf({ status, output, failure, status_reason }: StepView): string {
  if (failure !== null) return clip(`${failure.code}: ${failure.message}`);
  return clip(status === 'completed' ? compact(output) : (status_reason ?? ''));
}

/** What a step that waits asks a person, and the commands that answer it. */
function questionLines({ run_id, id, tool, status_reason, failure }: StepView): string[] {
  const answer = (outcome: string) =>
    `longhaul runs resolve ${run_id} ${id} --reason '…' --outcome ${outcome}`;
  return [
    `${id}: ${plain(status_reason ?? 'Was it done?')}`,
    ...(failure === null ? [] : [`  ${failure.code}: ${plain(failure.message)}`]),
    `  It was done:  ${answer('done')} --output '…'`,
    `  It was not:   ${answer('not-done')}`,
    `  --output is the JSON that ${tool} would have returned: other steps may need it.`,
  ];
}
