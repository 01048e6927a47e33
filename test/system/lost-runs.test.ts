import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Step } from '../../src/contracts/plan';
import type { Run } from '../../src/contracts/run';
import { noteStarted } from '../../src/db/run-starts';
import { startTemporal } from '../../src/dev/temporal-server';
import { eventually } from '../support/eventually';
import { LogLines } from '../support/log-lines';
import { newRun } from '../support/runs';
import { startSystem, type System } from '../support/stack';

const ROOT = join(__dirname, '..', '..');
const PACKS = ['tool-pack.ts', 'unsafe-pack.ts'].map((pack) => join(ROOT, 'test/support', pack)).join(',');
const LEFT_ALONE = 'Runs that Temporal does not know are not started again';

describe('A Temporal whose store is thrown away', () => {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-lost-'));
  const logs = { api: new LogLines(), worker: new LogLines() };
  const start = () => startTemporal({ home, log: () => undefined, env: process.env });
  let temporal: Awaited<ReturnType<typeof start>>;
  let system: System;
  beforeAll(async () => {
    temporal = await start();
    const settings = { TEMPORAL_ADDRESS: temporal.address, LONGHAUL_TOOL_PACKS: PACKS };
    system = await startSystem({ settings, logs });
  });
  afterAll(async () => {
    await system.stop();
    await temporal.stop();
    rmSync(home, { recursive: true, force: true });
  });

  /** Adds a todo, uses a tool, and adds another one. */
  const planWith = (tool: string, input: Record<string, unknown> = {}): { steps: Step[] } => ({
    steps: [
      { id: 'before', tool: 'todo.add', input: { text: 'before' } },
      { id: 'tool', tool, input, needs: ['before'] },
      { id: 'after', tool: 'todo.add', input: { text: 'after' }, needs: ['tool'] },
    ],
  });
  /** A run with a list of its own. */
  const submit = async (user: string, ...with_tool: Parameters<typeof planWith>) =>
    (await system.submit({ goal: 'try it', user, plan: planWith(...with_tool) })).id;
  /** One that the Temporal of before has taken, and no worker has begun. No start of it is on its way any more. */
  const handedOver = () =>
    system.database.db.transaction(async (tx) => {
      const [run] = await tx.query<{ tenant: string }>('select tenant from runs limit 1');
      const id = await newRun(tx, { tenant: run!.tenant, plan: planWith('test.wait', { ms: 1 }) });
      await noteStarted(tx, [id]);
      return id;
    });
  const post = async (path: string, body: object) =>
    expect((await system.request(path, { method: 'POST', body: JSON.stringify(body) })).status).toBeLessThan(
      300,
    );
  const standsAs = (run_id: string, status: Run['status']) =>
    eventually(async () => (await system.get(run_id)).status === status, {
      within_ms: 60_000,
      what: `${run_id} to be ${status}`,
    });
  const began = (run_id: string) =>
    eventually(async () =>
      (await system.events(run_id)).some(
        ({ type, step_id }) => type === 'step.started' && step_id === 'tool',
      ),
    );
  /** Of these runs nothing was heard for a while. */
  const age = (ids: string[]) =>
    system.database.db.query(
      `update runs set updated_at = now() - interval '2 minutes', workflow_started_at = workflow_started_at - interval '2 minutes'
       where id = any($1)`,
      [ids],
    );
  const adopt = (id: string) =>
    promisify(execFile)(join(ROOT, 'bin/longhaul.cjs'), ['temporal', 'adopt', id], {
      env: { ...process.env, DATABASE_URL: system.database.url },
    });

  test('loses no run: each goes on from its checkpoints once the new one is said to be right, or ends in time', async () => {
    const running = await submit('running', 'test.hang_once');
    const waiting = await submit('waiting', 'test.doubtful');
    const cancelled = await submit('cancelled', 'test.wait', { ms: 600_000 });
    const late = await submit('late', 'test.wait', { ms: 600_000 });
    await Promise.all([began(running), standsAs(waiting, 'waiting'), began(cancelled), began(late)]);

    await temporal.stop();
    await post(`/v1/runs/${cancelled}/cancel`, {});
    const queued = await handedOver();
    await system.database.db.query(
      // Read when it is looked at: it is allowed a second now.
      `update runs set rules = rules || '{"max_duration_s": 1}' where id = $1`,
      [late],
    );
    for (const end of ['', '-shm', '-wal'])
      rmSync(join(home, 'temporal', `temporal.db${end}`), { force: true });
    const { address } = temporal;
    temporal = await start();
    expect(temporal.address).toBe(address);
    await age([running, waiting, cancelled, late, queued]);

    await standsAs(cancelled, 'cancelled');
    await standsAs(late, 'timed_out');
    const [left_alone, ...more] = logs.worker.having({ msg: LEFT_ALONE });
    expect(more).toEqual([]);
    for (const [run_id, status] of [
      [running, 'running'],
      [waiting, 'waiting'],
      [queued, 'queued'],
    ])
      expect(await system.get(run_id!)).toMatchObject({ status, attempt: 1 });
    const { message } = left_alone!.err as { message: string };
    await adopt(/`longhaul temporal adopt (\S+)`/.exec(message)![1]!);

    await Promise.all([running, queued].map((run_id) => standsAs(run_id, 'completed')));
    await eventually(() => logs.worker.having({ run_id: waiting }).length > 0, {
      what: 'the start of the one that waits',
    });
    await post(`/v1/runs/${waiting}/steps/tool/resolve`, { outcome: 'done', reason: 'It is there.' });
    await standsAs(waiting, 'completed');
    for (const run_id of [running, waiting, queued]) {
      const events = await system.events(run_id);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
      expect(events.map(({ type, attempt }) => [type, attempt])).not.toContainEqual(['run.reopened', 2]);
      expect(events.at(-1)).toMatchObject({ type: 'run.completed', attempt: 1 });
      expect(logs.worker.having({ run_id }).map(({ msg }) => msg)).toContain(
        'Temporal had lost the run; it was started again.',
      );
    }
    const todos = await system.database.db.query(
      `select "user", count(*)::int as count from todos group by 1 order by 1`,
    );
    expect(todos).toEqual([
      { user: '', count: 2 },
      { user: 'cancelled', count: 1 },
      { user: 'late', count: 1 },
      { user: 'running', count: 2 },
      { user: 'waiting', count: 2 },
    ]);
    const asked = (await system.events(waiting))
      .filter(({ step_id }) => step_id === 'tool')
      .map(({ type }) => type);
    expect(asked).toEqual(['step.started', 'step.needs_attention', 'step.resolved', 'step.completed']);
  });
});
