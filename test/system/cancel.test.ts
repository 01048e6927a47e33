import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Step } from '../../src/contracts/plan';
import type { Run } from '../../src/contracts/run';
import { eventually } from '../support/eventually';
import { holdTodos } from '../support/ledger/stage';
import { startSystem, type System } from '../support/stack';

describe('Cancelling a run', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(() => system.stop());

  const cancel = async (run_id: string) => {
    const reply = await system.request(`/v1/runs/${run_id}/cancel`, {
      method: 'POST',
      body: JSON.stringify({ reason: 'changed my mind' }),
    });
    return { status: reply.status, run: (await reply.json()) as Run };
  };
  const started = (run_id: string, step_id: string) =>
    eventually(async () =>
      (await system.events(run_id)).some(
        (event) => event.type === 'step.started' && event.step_id === step_id,
      ),
    );
  /** Cancelled with the reason, one terminal event, nothing after it, every step at an end. */
  const expectCancelledRow = async (run_id: string) => {
    const run = await system.ended(run_id);
    expect(run).toMatchObject({ status: 'cancelled', status_reason: 'changed my mind', answer: null });
    const events = await system.events(run_id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.at(-1)).toMatchObject({ type: 'run.cancelled', data: { reason: 'changed my mind' } });
    const open = await system.database.db.query(
      `select id from steps where run_id = $1 and status in ('pending', 'running', 'retrying', 'waiting')`,
      [run_id],
    );
    expect(open).toEqual([]);
    return events;
  };
  /** The same, and Temporal shows it. */
  const expectCancelled = async (run_id: string) => {
    const events = await expectCancelledRow(run_id);
    const { searchAttributes } = await system.describe(run_id, 'COMPLETED');
    expect(searchAttributes.RunStatus).toEqual(['cancelled']);
    return events;
  };
  const one = (tool: string): Step[] => [
    { id: 'one', tool, input: { ms: 50_000 } },
    { id: 'two', tool: 'todo.add', input: { text: 'never' }, needs: ['one'] },
  ];

  test('stops a slow step that listens', async () => {
    const { id } = await system.submit({ goal: 'wait', plan: { steps: one('test.wait') } });
    await started(id, 'one');
    expect(await cancel(id)).toMatchObject({ status: 202, run: { status: 'cancelling' } });
    await expectCancelled(id);
  });

  // What it brings is dropped where the worker has given it up by then, and else refused by the record: each has tests of its own among
  // the activities. Here all of it is in place.
  test('does not wait for a tool that ignores its signal, and tells nothing of what it brings later', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'longhaul-cancel-'));
    const until = join(folder, 'let-go');
    const { id } = await system.submit({
      goal: 'wait',
      plan: { steps: [{ id: 'one', tool: 'test.held', input: { until } }] },
    });
    await started(id, 'one');
    await cancel(id);
    const stored = async () => ({
      events: await system.events(id),
      steps: await system.database.db.query('select * from steps where run_id = $1', [id]),
    });
    await expectCancelled(id);
    const before = await stored();
    writeFileSync(until, '');
    await eventually(() => existsSync(`${until}.seen`), { what: 'the tool to be through' });
    rmSync(folder, { recursive: true });
    // A whole run of the same worker takes longer than to pass over the late result.
    const later = await system.submit({
      goal: 'wait',
      plan: { steps: [{ id: 'one', tool: 'test.wait', input: { ms: 1 } }] },
    });
    await system.ended(later.id);
    expect(await stored()).toEqual(before);
  });

  test('stops a chain of instant steps', async () => {
    const chain: Step[] = Array.from({ length: 50 }, (_, i) => ({
      id: `s${i}`,
      tool: 'todo.add',
      input: { text: `todo ${i}` },
      ...(i > 0 && { needs: [`s${i - 1}`] }),
    }));
    const todos = await holdTodos(system.database.url);
    const { id } = await system.submit({ goal: 'chain', user: 'chain', plan: { steps: chain } });
    await todos.waited();
    const { status } = await cancel(id);
    expect(status).toBe(202);
    await todos.release();
    const events = await expectCancelled(id);
    const completed = events.filter(({ type }) => type === 'step.completed').length;
    expect(completed).toBeLessThanOrEqual(1); // the one that was held
    const [added] = await system.database.db.query<{ n: number }>(
      `select count(*)::int as n from todos where "user" = 'chain'`,
    );
    expect(added!.n).toBe(completed);
  });

  test('ends a queued run at once, and no workflow is ever started for it', async () => {
    await system.worker.stop();
    const { id } = await system.submit({ goal: 'What is 1 + 1?' });
    expect(await cancel(id)).toMatchObject({ status: 200, run: { status: 'cancelled' } });
    await expectCancelledRow(id);
    system.worker = await system.startWorker();
    const later = await system.submit({ goal: 'What is 1 + 1?' });
    expect(await system.ended(later.id)).toMatchObject({ status: 'completed' });
    await expect(system.describe(id, 'COMPLETED')).rejects.toThrow('not found');
  });

  test('says 200 and changes nothing once a run is over', async () => {
    const { id } = await system.submit({ goal: 'What is 1 + 1?' });
    const before = await system.ended(id);
    expect(await cancel(id)).toEqual({ status: 200, run: before });
  });
});
