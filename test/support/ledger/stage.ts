import { join } from 'node:path';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { Client } from 'pg';
import type { RunEvent } from '../../../src/contracts/event';
import type { Run } from '../../../src/contracts/run';
import { servers } from '../database';
import { eventually } from '../eventually';
import { startSystem, type Program, type System, type SystemOptions } from '../stack';
import { planOf, STEP, type EffectClass, type Meets } from './effect-classes';
import { totalsOf } from './hit';
import { startLedger, type Ledger } from './ledger';

/** Longest wait for what follows a fault, milliseconds: a lost workflow task is noticed after five seconds, a lost lock after ten. */
const WITHIN_MS = 60_000;

/** What came of one run of the matrix. */
export interface Outcome {
  /** Requests that came in at the ledger; null where it is not asked. */
  hits: number | null;
  effects: number;
  /** What the person answered who was asked whether it happened; null when nobody was. */
  resolved: 'done' | 'not_done' | null;
  status: Run['status'];
  events: RunEvent[];
}

/** A system whose workers come and go by role, and a ledger that outlives them. */
export interface Stage {
  readonly system: System;
  readonly ledger: Ledger;
  /** The worker of runs and instant work; that of the tools comes and goes with each fault. */
  runs: Program;
  startRuns(settings?: Record<string, string>): Promise<Program>;
  startTools(settings?: Record<string, string>): Promise<Program>;
  /** Begins a run of one step of that class. @returns its id */
  begin(effect: EffectClass, meets?: Omit<Meets, 'ledger'>): Promise<string>;
  /** Waits until the run has ended. Where a person is asked, looks into the ledger and says what is there. */
  settle(run_id: string, effect: EffectClass): Promise<Outcome>;
  stop(): Promise<void>;
}

export async function startStage(options: SystemOptions = {}): Promise<Stage> {
  const packs = ['tool-pack.ts', 'ledger-pack.ts'].map((file) => join(__dirname, '..', file));
  const settings = {
    LONGHAUL_TOOL_PACKS: packs.join(','),
    LONGHAUL_ROLES: 'runs,llm',
    LOG_LEVEL: 'error',
    ...options.settings,
  };
  const [ledger, system] = await Promise.all([startLedger(), startSystem({ ...options, settings })]);
  return {
    system,
    ledger,
    runs: system.worker,
    startRuns: (more) => system.startWorker(more),
    startTools: (more) => system.startWorker({ LONGHAUL_ROLES: 'tools', ...more }),
    async begin(effect, meets = {}) {
      const plan = planOf(effect, { ledger: ledger.url, ...meets });
      return (await system.submit({ goal: `One effect: ${effect}`, plan })).id;
    },
    settle: (run_id, effect) => settle(system, ledger, run_id, effect),
    async stop() {
      await system.stop();
      await ledger.stop();
    },
  };
}

async function settle(system: System, ledger: Ledger, id: string, effect: EffectClass): Promise<Outcome> {
  let resolved: Outcome['resolved'] = null;
  const limit = { within_ms: WITHIN_MS, what: `the run of the ${effect} step to end` };
  const stopped = () =>
    eventually(async () => {
      const run = await system.get(id);
      if (run.id !== id) return undefined; // Postgres is away: what came is a problem
      return run.finished_at !== null || (resolved === null && run.status === 'waiting') ? run : undefined;
    }, limit);
  let run = await stopped();
  if (run.status === 'waiting') {
    resolved = totalsOf(ledger.hitsOf(id)).effects > 0 ? 'done' : 'not_done';
    await resolve(system, id, resolved);
    run = await stopped();
  }
  const { hits, effects } = totalsOf(ledger.hitsOf(id));
  const made =
    effect === 'transactional' ? { hits: null, effects: await todosOf(system, id) } : { hits, effects };
  return { ...made, resolved, status: run.status, events: await system.events(id) };
}

/** Answers the question whether the effect of the run's step happened. */
export async function resolve(system: System, run_id: string, outcome: 'done' | 'not_done'): Promise<void> {
  const body = JSON.stringify({ outcome, reason: 'The ledger says so.' });
  const reply = await system.request(`/v1/runs/${run_id}/steps/${STEP}/resolve`, { method: 'POST', body });
  if (!reply.ok) throw new Error(`${reply.status}: ${await reply.text()}`);
}

async function todosOf({ database }: System, run_id: string): Promise<number> {
  const [row] = await database.owner.query<{ n: number }>(
    'select count(*)::int as n from todos where run_id = $1',
    [run_id],
  );
  return row!.n;
}

/** Waits until a process has killed itself. */
export async function crashed({ process }: Program): Promise<void> {
  await eventually(() => process.signalCode === 'SIGKILL', { within_ms: WITHIN_MS, what: 'the crash' });
}

/** Waits until the ledger holds a hit of each of these runs. */
export function heldHits(ledger: Ledger, run_ids: readonly string[]): Promise<boolean> {
  const limit = { within_ms: WITHIN_MS, what: 'hits of all runs' };
  return eventually(() => run_ids.every((id) => ledger.hitsOf(id).length > 0), limit);
}

/** Holds the table of todos, so that a tool that adds one waits in its transaction, until the returned function is called. */
export async function holdTodos(
  url: string,
): Promise<{ waited: () => Promise<void>; release: () => Promise<void> }> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined); // the server may go away under it
  await client.connect();
  await client.query('begin; lock table todos in share row exclusive mode');
  const waiting = async () => {
    const { rowCount } = await client.query(
      `select 1 from pg_locks where relation = 'todos'::regclass and not granted`,
    );
    return (rowCount ?? 0) > 0;
  };
  return {
    waited: async () =>
      void (await eventually(waiting, { within_ms: WITHIN_MS, what: 'a tool to wait for the todos' })),
    release: () => client.end(),
  };
}

/** Waits until Temporal tells that a try of the run's step has failed. */
export async function triedInVain(run_ids: readonly string[]): Promise<void> {
  const connection = await Connection.connect({ address: servers().temporal_address });
  try {
    const { workflow } = new TemporalClient({ connection });
    const failed = async (id: string) => {
      const { raw } = await workflow.getHandle(id).describe();
      return raw.pendingActivities?.some(({ lastFailure }) => Boolean(lastFailure)) === true;
    };
    for (const id of run_ids) {
      await eventually(() => failed(id), { within_ms: WITHIN_MS, what: `a try of ${id} to fail` });
    }
  } finally {
    await connection.close();
  }
}
