import type { RunEvent } from '../../src/contracts/event';
import type { GivenPlan } from '../../src/contracts/plan';
import type { Rules } from '../../src/contracts/rules';
import type { Database } from '../../src/db/database';
import { newId } from '../../src/db/new-id';
import type { Tx } from '../../src/db/tx';
import { appendRun, type NewEvent } from '../../src/events/append';
import { readAfter } from '../../src/events/read';
import { reopenRun } from '../../src/runs/reopen';
import { eventually } from './eventually';

export const RULES: Rules = {
  max_steps: 20,
  max_parallel_steps: 4,
  max_input_bytes: 2_000,
  max_output_bytes: 4_000,
  judge_threshold: 0.5,
  max_replans: 1,
  max_duration_s: 3_600,
};

/** A queued run with its first event, as a submit leaves it. @returns its id. */
export async function newRun(
  db: Tx,
  { tenant = 'tenant', plan, rules = RULES }: { tenant?: string; plan?: GivenPlan; rules?: Rules } = {},
): Promise<string> {
  const id = newId('run');
  await appendRun(
    db,
    {
      id,
      tenant,
      user: null,
      goal: 'a goal',
      given_plan: plan ?? null,
      rules,
      budget: { max_steps: rules.max_steps, max_duration_s: rules.max_duration_s },
      metadata: {},
      tags: [],
      request_id: null,
      trace_id: null,
    },
    { key: null, open_runs: 1_000_000 },
  );
  return id;
}

/** A fact that says nothing, under a key of its own. */
export function fact(key: string, reason = key): NewEvent {
  return { key, type: 'step.skipped', data: { reason } };
}

export const COMPLETED: NewEvent = { key: 'ended', type: 'run.completed', data: { answer: '42' } };

/** All events of a run, in the order of the log. */
export async function eventsOf(db: Tx, run_id: string): Promise<RunEvent[]> {
  const stored = await readAfter(db, [{ run_id, after: 0 }], 100_000);
  return stored.map(({ json }) => JSON.parse(json) as RunEvent);
}

export async function typesOf(db: Tx, run_id: string): Promise<string[]> {
  return (await eventsOf(db, run_id)).map(({ type, step_id }) =>
    step_id === undefined ? type : `${type} ${step_id}`,
  );
}

/** The row of a run, as it is. */
export async function rowOf(db: Tx, run_id: string): Promise<Record<string, unknown>> {
  const [row] = await db.query('select * from runs where id = $1', [run_id]);
  return row!;
}

/** Has a run met by the first activity of a new execution, as after a Reset. @returns Temporal's run id of that: `e2`, `e3` … */
export async function reopen(db: Database, run_id: string): Promise<string> {
  // In a test of the log alone nobody has worked on the run before.
  await db.query(`update runs set execution = 'e' where id = $1 and execution is null`, [run_id]);
  const execution = `e${Number((await rowOf(db, run_id)).attempt) + 1}`;
  await reopenRun(db, { run_id, execution });
  return execution;
}

/** Waits until that many connections of the test's database wait for a lock. */
export async function blocked(db: Tx, count: number): Promise<void> {
  await eventually(
    async () => {
      const waiting = await db.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return waiting.length === count;
    },
    { what: `${count} to wait for a lock` },
  );
}

/** A promise and what settles it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}
