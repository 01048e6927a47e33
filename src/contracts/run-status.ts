/** Statuses of a run. The last four are terminal: the attempt is over. Plain constants: the workflow bundle imports this file. */
export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting',
  'paused',
  'cancelling',
  'completed',
  'failed',
  'cancelled',
  'timed_out',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

const TERMINAL: ReadonlySet<RunStatus> = new Set(['completed', 'failed', 'cancelled', 'timed_out']);

export function isTerminal(status: RunStatus): boolean {
  return TERMINAL.has(status);
}

/** Status of a run that ended with this event: `run.completed` → `completed`. */
export function statusOf(terminal_event: string): RunStatus {
  return terminal_event.slice('run.'.length) as RunStatus;
}

/** Statuses of a step. The last four are terminal. */
export const STEP_STATUSES = [
  'pending',
  'running',
  'retrying',
  'waiting',
  'completed',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];
