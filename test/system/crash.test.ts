import type { Run } from '../../src/contracts/run';
import type { Step } from '../../src/contracts/plan';
import { eventually } from '../support/eventually';
import { startSystem, type System } from '../support/stack';

describe('A worker killed with -9', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  });
  afterAll(() => system.stop());

  test('in a slow step: another one completes the run, effects once, events 1..n', async () => {
    const steps: Step[] = [
      { id: 'before', tool: 'todo.add', input: { text: 'before the crash' } },
      { id: 'hang', tool: 'test.hang_once', input: {}, needs: ['before'] },
      { id: 'after', tool: 'todo.add', input: { text: 'attempt {hang.attempt}' } },
    ];
    const { id } = await system.submit({ goal: 'survive', user: 'crash', plan: { steps } });
    await eventually(async () =>
      (await system.events(id)).some(({ type, step_id }) => type === 'step.started' && step_id === 'hang'),
    );
    await system.worker.kill();
    system.worker = await system.startWorker();
    expect(await system.ended(id)).toMatchObject({ status: 'completed' });
    const events = await system.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.find(({ type }) => type === 'step.retrying')).toMatchObject({
      data: { failure: { code: 'worker_lost' } },
    });
    const todos = await system.database.db.query(
      `select text from todos where "user" = 'crash' order by position`,
    );
    expect(todos).toEqual([{ text: 'before the crash' }, { text: 'attempt 2' }]);
  });

  test('in a slow step of a repeated run: what was taken over stays so, effects once, events 1..n', async () => {
    const steps: Step[] = [
      { id: 'before', tool: 'todo.add', input: { text: 'before the crash' } },
      { id: 'half', tool: 'calculator', input: { expression: '1 / 0' }, needs: ['before'] },
      { id: 'hang', tool: 'test.hang_once', input: {}, needs: ['half'] },
      { id: 'after', tool: 'todo.add', input: { text: 'attempt {hang.attempt}' } },
    ];
    const first = await system.submit({ goal: 'survive', user: 'repeated', plan: { steps } });
    expect(await system.ended(first.id)).toMatchObject({ status: 'failed' });
    const reply = await system.request(`/v1/runs/${first.id}/fork`, {
      method: 'POST',
      body: JSON.stringify({ at: 'half', step_input: { expression: '1 / 2' } }),
    });
    const { id } = (await reply.json()) as Run;
    await eventually(async () =>
      (await system.events(id)).some(({ type, step_id }) => type === 'step.started' && step_id === 'hang'),
    );
    await system.worker.kill();
    system.worker = await system.startWorker();
    expect(await system.ended(id)).toMatchObject({ status: 'completed' });
    const events = await system.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    const todos = await system.database.db.query(
      `select text from todos where "user" = 'repeated' order by position`,
    );
    expect(todos).toEqual([{ text: 'before the crash' }, { text: 'attempt 2' }]);
  });

  test('among chains of instant steps: every run completes, every effect is there once', async () => {
    const RUNS = 12;
    const LENGTH = 20;
    const chain: Step[] = Array.from({ length: LENGTH }, (_, i) => ({
      id: `s${i}`,
      tool: 'todo.add',
      input: { text: `todo ${i}` },
      ...(i > 0 && { needs: [`s${i - 1}`] }),
    }));
    const runs = await Promise.all(
      Array.from({ length: RUNS }, (_, n) =>
        system.submit({ goal: 'chain', user: `chain-${n}`, plan: { steps: chain } }),
      ),
    );
    await eventually(async () => {
      const [todos] = await system.database.db.query<{ n: number }>(
        `select count(*)::int as n from todos where "user" like 'chain-%'`,
      );
      return todos!.n > 20 && todos!.n < RUNS * LENGTH;
    });
    await system.worker.kill();
    system.worker = await system.startWorker();
    for (const { id } of runs) {
      expect(await system.ended(id)).toMatchObject({ status: 'completed' });
      const events = await system.events(id);
      expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    }
    const lists = await system.database.db.query(
      `select "user", array_agg(text order by position) as texts from todos where "user" like 'chain-%' group by "user"`,
    );
    expect(lists).toHaveLength(RUNS);
    for (const { texts } of lists as { texts: string[] }[])
      expect(texts).toEqual(chain.map(({ input }) => input.text));
  });
});

describe('Temporal away at submit', () => {
  test('a run is taken, stays queued, and is carried out once Temporal is back', async () => {
    const system = await startSystem({ temporalBehindProxy: true });
    try {
      system.temporal!.cut();
      const key = { 'idempotency-key': 'once' };
      const run = await system.submit({ goal: 'What is 6 * 7?' }, key);
      expect(run.status).toBe('queued');
      expect(await system.submit({ goal: 'What is 6 * 7?' }, key)).toMatchObject({ id: run.id });
      expect(await (await system.request('/readyz')).json()).toMatchObject({ status: 'degraded' });
      system.temporal!.heal();
      expect(await system.ended(run.id)).toMatchObject({
        status: 'completed',
        answer: expect.stringContaining('42') as string,
      });
    } finally {
      await system.stop();
    }
  });
});
