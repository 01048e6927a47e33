import type { RunWorkflows, StartableRun } from '../../src/runs/run-workflows';

/** Port to the workflows that records what it is told and refuses what no caller may ask. */
export interface RecordedWorkflows extends RunWorkflows {
  /** Nothing is taken any more, as when Temporal does not answer. */
  away: boolean;
  readonly started: StartableRun[];
  /** Ids of the runs whose workflows were woken. */
  readonly woken: string[];
}

export function recordWorkflows(): RecordedWorkflows {
  const started: StartableRun[] = [];
  const woken: string[] = [];
  return {
    away: false,
    started,
    woken,
    async start(run) {
      if (this.away) throw new Error('Temporal is away.');
      if (started.some(({ id }) => id === run.id)) throw new Error(`${run.id} is started a second time.`);
      started.push(run);
    },
    async look(run_id) {
      if (this.away) throw new Error('Temporal is away.');
      if (!started.some(({ id }) => id === run_id)) throw new Error(`${run_id} was never started.`);
      woken.push(run_id);
    },
  };
}
