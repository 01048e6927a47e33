import type { EventData, EventType, RunEvent } from '../contracts/event';
import type { Step } from '../contracts/plan';
import type { RunStatus, StepStatus } from '../contracts/run-status';

/** A step as it is shown. */
export interface StepView {
  step: Step;
  /** Steps that it waits for. */
  needs: string[];
  status: StepStatus;
  /** What there is to say besides: output, failure, reason. */
  note: string;
  duration_ms: number | undefined;
  /** Taken over from the run that this one repeats: nothing was called. */
  reused: boolean;
}

/** A run as it is shown, made of its events. */
export interface RunView {
  id: string | undefined;
  goal: string;
  status: RunStatus;
  /** What goes on before there are steps: planning, judging. */
  stage: string;
  plan_version: number | undefined;
  steps: StepView[];
  /** Answer, failure or reason at the end. */
  ending: string;
}

export const EMPTY_VIEW: RunView = {
  id: undefined,
  goal: '',
  status: 'queued',
  stage: 'waits for a worker',
  plan_version: undefined,
  steps: [],
  ending: '',
};

/** The view after one more event. Types that are unknown here change nothing. */
export function viewAfter(view: RunView, event: RunEvent): RunView {
  const change = CHANGES[event.type] as
    ((view: RunView, data: unknown, step_id: string) => Partial<RunView>) | undefined;
  return change ? { ...view, ...change(view, event.data, event.step_id ?? '') } : view;
}

type Changes = {
  [T in EventType]?: (view: RunView, data: EventData[T], step_id: string) => Partial<RunView>;
};

const CHANGES: Changes = {
  'run.created': (_, { run }) => ({ id: run.id, goal: run.goal, status: run.status }),
  'run.status': ({ id }, { status, previous }) => {
    if (status === 'waiting')
      return { status, stage: `waits for an answer: \`longhaul runs show ${id ?? ''}\` says how to give it` };
    return { status, ...((previous === 'queued' || previous === 'waiting') && { stage: '' }) };
  },
  'run.completed': (_, { answer }) => ({ status: 'completed', stage: '', ending: answer ?? '' }),
  'run.failed': (_, { failure }) => ({
    status: 'failed',
    stage: '',
    ending: `${failure.code}: ${failure.message}`,
  }),
  'run.cancelled': (_, { reason }) => ({ status: 'cancelled', stage: '', ending: reason ?? '' }),
  'run.timed_out': (_, { limit }) => ({ status: 'timed_out', stage: '', ending: `after ${limit.value} s` }),
  // Steps stand as they ended until their turn comes: after a Reset to a later point it does not come.
  'run.reopened': ({ steps }) => ({
    status: steps.some(({ status }) => status === 'waiting') ? 'waiting' : 'running',
    ending: '',
  }),
  'plan.started': (_, { round }) => ({
    stage: round > 1 ? `drafts a plan, round ${round}` : 'drafts a plan',
  }),
  'plan.created': (_, { version, steps, edges }) => ({
    stage: '',
    plan_version: version,
    steps: steps.map((step) => ({
      step,
      needs: edges.filter(([, to]) => to === step.id).map(([from]) => from),
      status: 'pending',
      note: '',
      duration_ms: undefined,
      reused: false,
    })),
  }),
  'plan.rejected': (_, { findings }) => ({
    stage: `plan rejected: ${findings.map(({ detail }) => detail).join(' ')}`,
  }),
  'judge.started': () => ({ stage: 'judges the plan' }),
  'judge.verdict': (_, { accepted, issues }) => ({
    stage: accepted ? '' : `plan rejected: ${issues.join(' ')}`,
  }),
  'step.started': ({ steps, status, stage }, _, id) => ({
    stage: status === 'waiting' ? stage : '',
    steps: changed(steps, id, { status: 'running', note: '' }),
  }),
  'step.progress': ({ steps }, { ratio, message }, id) => ({
    steps: changed(steps, id, {
      note: [ratio === undefined ? [] : `${Math.round(ratio * 100)} %`, message ?? []].flat().join(' '),
    }),
  }),
  'step.retrying': ({ steps }, { attempt, failure }, id) => ({
    steps: changed(steps, id, { status: 'retrying', note: `try ${attempt} failed: ${failure.message}` }),
  }),
  'step.needs_attention': ({ steps }, { question }, id) => ({
    steps: changed(steps, id, { status: 'waiting', note: question }),
  }),
  'step.resolved': ({ steps }, { outcome, actor, reason }, id) => ({
    steps: changed(steps, id, {
      status: 'pending',
      note: `${actor} says it was ${outcome === 'done' ? 'done' : 'not done'}: ${reason}`,
    }),
  }),
  'step.completed': ({ steps }, completed, id) => {
    const before = steps.find(({ step }) => step.id === id);
    const { duration_ms } = completed;
    // What was called, or asked about, in this run was not taken over from another, though nothing was called in the end.
    const reused = completed.reused && before?.status === 'pending' && before.note === '';
    const time = completed.reused && !reused ? {} : { duration_ms };
    const change: Partial<StepView> = { status: 'completed', note: outputNote(completed), reused, ...time };
    return { steps: changed(steps, id, change) };
  },
  'step.failed': ({ steps }, { failure }, id) => ({
    steps: changed(steps, id, { status: 'failed', note: `${failure.code}: ${failure.message}` }),
  }),
  'step.skipped': ({ steps }, { reason }, id) => ({
    steps: changed(steps, id, { status: 'skipped', note: reason }),
  }),
  'step.cancelled': ({ steps }, { reason }, id) => ({
    steps: changed(steps, id, { status: 'cancelled', note: reason }),
  }),
  'generation.started': () => ({ stage: 'writes the answer' }),
};

/** A large output does not travel with its event, which says where it is. */
function outputNote({ output, output_ref }: EventData['step.completed']): string {
  return output_ref === undefined ? compact(output) : `${output_ref.bytes.toLocaleString('en')} bytes`;
}

/** A value in one line: text as it is, of an object its `value` or `text` if it has one, else JSON. */
export function compact(value: unknown): string {
  if (typeof value === 'string') return value;
  const { value: result, text } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const telling = result ?? text;
  if (typeof telling === 'number' || typeof telling === 'string') return String(telling);
  return JSON.stringify(value) ?? '';
}

function changed(steps: StepView[], id: string, change: Partial<StepView>): StepView[] {
  return steps.map((view) => (view.step.id === id ? { ...view, ...change } : view));
}
