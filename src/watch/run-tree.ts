import type { RunEvent } from '../contracts/event';
import type { RunStatus, StepStatus } from '../contracts/run-status';
import { compact, EMPTY_VIEW, viewAfter, type RunView, type StepView } from './run-view';

/** What lines are painted with; picocolors fits. */
export interface Paint {
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

type Colour = Exclude<keyof Paint, 'bold'>;

const MARKS: Record<StepStatus | RunStatus, [mark: string, colour: Colour]> = {
  pending: ['·', 'dim'],
  queued: ['·', 'dim'],
  running: ['▸', 'cyan'],
  retrying: ['↻', 'yellow'],
  waiting: ['…', 'yellow'],
  paused: ['‖', 'yellow'],
  cancelling: ['…', 'yellow'],
  completed: ['✓', 'green'],
  failed: ['✗', 'red'],
  timed_out: ['✗', 'red'],
  skipped: ['–', 'dim'],
  cancelled: ['–', 'dim'],
};

/** Longest input and output shown of a step, characters. */
const CLIP = 60;
/** The same of what is said of the whole run. */
const LONG_CLIP = 200;

/**
 * Draws a run from its events, one string a line, without line ends: the run, below it its steps, each below the last of
 * the steps it waits for.
 */
export function runTree(events: readonly RunEvent[], paint: Paint): string[] {
  return drawView(events.reduce(viewAfter, EMPTY_VIEW), paint);
}

/** Draws a run as `runTree` does, from the view that was made of its events. */
export function drawView(view: RunView, paint: Paint): string[] {
  const parents = new Map(view.steps.map((step) => [step.step.id, parentOf(step, view.steps)]));
  const below = (id: string | undefined) => view.steps.filter(({ step }) => parents.get(step.id) === id);
  const tree = branches(
    below(undefined),
    ({ step }) => below(step.id),
    (branch, step) => paint.dim(branch) + stepLine(step, paint),
  );
  return [headLine(view, paint), ...tree];
}

/** Draws a tree, one string a line. @param line draws an item behind its branch */
export function branches<T>(
  items: readonly T[],
  below: (item: T) => readonly T[],
  line: (branch: string, item: T) => string,
  indent = '',
): string[] {
  return items.flatMap((item, place) => {
    const last = place === items.length - 1;
    const deeper = branches(below(item), below, line, indent + (last ? '   ' : '│  '));
    return [line(indent + (last ? '└─ ' : '├─ '), item), ...deeper];
  });
}

/** One line on what an event changed, for outputs that cannot be redrawn; undefined when there is nothing to say. */
export function eventLine(
  event: RunEvent,
  before: RunView,
  after: RunView,
  paint: Paint,
): string | undefined {
  if (event.step_id !== undefined) {
    const step = after.steps.find(({ step: { id } }) => id === event.step_id);
    // Lines stay: of progress, which the tree shows as it comes, only where it led.
    const quiet = event.type === 'step.started' || event.type === 'step.progress';
    return step && !quiet ? stepLine(step, paint) : undefined;
  }
  if (event.type === 'plan.created')
    return `plan ${after.plan_version}: ${after.steps.map(({ step }) => step.id).join(', ')}`;
  if (after.stage !== '' && after.stage !== before.stage) return paint.dim(clip(after.stage, LONG_CLIP));
  return after.status === before.status ? undefined : headLine(after, paint);
}

function headLine({ id, status, stage, plan_version }: RunView, paint: Paint): string {
  const version = plan_version !== undefined && plan_version > 1 ? paint.dim(` plan ${plan_version}`) : '';
  const words = stage === '' ? '' : paint.dim(` ${clip(stage, LONG_CLIP)}`);
  return `${mark(status, paint)} ${paint.bold(id ?? 'run')} ${status}${version}${words}`;
}

function stepLine({ step, status, note, duration_ms, reused }: StepView, paint: Paint): string {
  const what = clip(step.title ?? Object.values(step.input).map(compact).join(', '));
  const time = duration_ms === undefined ? '' : paint.dim(reused ? '  taken over' : `  ${duration_ms} ms`);
  // A question is asked as a whole, and answered so.
  const said = clip(note, status === 'waiting' || status === 'pending' ? LONG_CLIP : CLIP);
  const more = note === '' ? '' : ` ${status === 'completed' ? '→' : paint.dim(`${status}:`)} ${said}`;
  return `${mark(status, paint)} ${step.id} ${paint.dim(step.tool)} ${what}${more}${time}`;
}

/** The step that a step hangs below: of those it waits for the one farthest down, so that it comes after all of them. */
function parentOf(view: StepView, all: StepView[]): string | undefined {
  const byId = new Map(all.map((step) => [step.step.id, step]));
  const depths = new Map<string, number>();
  const depth = (id: string): number => {
    const known = depths.get(id);
    if (known !== undefined) return known;
    depths.set(id, 0); // ends a cycle, which a plan that was rejected may have
    const found = 1 + Math.max(0, ...(byId.get(id)?.needs ?? []).map(depth));
    depths.set(id, found);
    return found;
  };
  const needs = view.needs.filter((id) => byId.has(id) && id !== view.step.id);
  return needs.sort((one, other) => depth(one) - depth(other)).at(-1);
}

function mark(status: StepStatus | RunStatus, paint: Paint): string {
  const [sign, colour] = MARKS[status];
  return paint[colour](sign);
}

/** Text in one line of at most so many characters. */
export function clip(text: string, most = CLIP): string {
  // Control characters in a result could move the cursor or rename the window of a terminal.
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
