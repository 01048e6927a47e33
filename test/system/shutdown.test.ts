import { once } from 'node:events';
import { connect } from 'node:net';
import type { Step } from '../../src/contracts/plan';
import { eventually } from '../support/eventually';
import { startSystem, type Program, type System } from '../support/stack';
import { openSse } from '../support/stream-readers';

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

const started = (run_id: string, step_id: string) =>
  eventually(async () =>
    (await system.events(run_id)).some((event) => event.type === 'step.started' && event.step_id === step_id),
  );
/** How a process ended: its code, or the signal that killed it. */
const ending = ({ process: { exitCode, signalCode } }: Program) => signalCode ?? exitCode;
const steps = (middle: Step): Step[] => [
  { id: 'before', tool: 'todo.add', input: { text: 'before' } },
  { ...middle, needs: ['before'] },
  { id: 'after', tool: 'todo.add', input: { text: 'after' }, needs: [middle.id] },
];
const todosOf = async (user: string) => {
  const todos = await system.database.db.query<{ text: string }>(
    'select text from todos where "user" = $1 order by position',
    [user],
  );
  return todos.map(({ text }) => text);
};

describe('A worker that is told to stop during a tool call', () => {
  test('lets it finish within the grace, and the next worker goes on from there', async () => {
    await system.worker.stop();
    system.worker = await system.startWorker({ LONGHAUL_SHUTDOWN_GRACE_S: '20' });
    // More than the second that a tool has after the grace is over.
    const plan = { steps: steps({ id: 'call', tool: 'test.deaf', input: { ms: 3_000 } }) };
    const { id } = await system.submit({ goal: 'finish', user: 'finish', plan });
    await started(id, 'call');
    await system.worker.stop();
    expect(ending(system.worker)).toBe(0);
    system.worker = await system.startWorker();
    expect(await system.ended(id)).toMatchObject({ status: 'completed' });
    const events = await system.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.filter(({ type }) => type === 'step.retrying')).toEqual([]);
    expect(await todosOf('finish')).toEqual(['before', 'after']);
  });

  test('breaks off what takes longer, and the next worker does it again', async () => {
    const plan = { steps: steps({ id: 'call', tool: 'test.hang_once', input: {} }) };
    const { id } = await system.submit({ goal: 'again', user: 'again', plan });
    await started(id, 'call');
    await system.worker.stop();
    expect(ending(system.worker)).toBe(0);
    system.worker = await system.startWorker();
    expect(await system.ended(id)).toMatchObject({ status: 'completed' });
    const events = await system.events(id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(await todosOf('again')).toEqual(['before', 'after']);
  });
});

describe('An API that is told to stop', () => {
  test('ends with 0 although clients hang: one stops in its body, one never reads, one says nothing', async () => {
    const api = await system.startApi();
    const { id } = await system.submit({
      goal: 'wait',
      plan: { steps: [{ id: 'one', tool: 'test.wait', input: { ms: 20_000 } }] },
    });
    const slow = connect(api.port, '127.0.0.1');
    slow.write(`POST /v1/runs HTTP/1.1\r\nHost: a\r\nX-API-Key: ${system.key}\r\nContent-Length: 9\r\n`);
    slow.write('Content-Type: application/json\r\n\r\n{');
    const silent = connect(api.port, '127.0.0.1');
    const door = { port: api.port, keys: { own: system.key } };
    const deaf = await openSse(door, `/v1/runs/${id}/events`, { reading: false });
    for (const socket of [slow, silent]) socket.on('error', () => undefined);
    await api.stop();
    expect(ending(api)).toBe(0);
    for (const socket of [slow, silent]) socket.destroy();
    deaf.drop();
    await system.request(`/v1/runs/${id}/cancel`, { method: 'POST' });
    await system.ended(id);
  });

  test('ends at once when it is told again', async () => {
    const api = await system.startApi(undefined, { LONGHAUL_DRAIN_S: '10' });
    api.process.kill('SIGTERM');
    // A connection that was kept open meanwhile may be closed under a request: then it is asked again.
    const status = () =>
      fetch(`http://127.0.0.1:${api.port}/readyz`).then(
        (reply) => reply.status,
        () => 0,
      );
    await eventually(async () => (await status()) === 503);
    const exited = once(api.process, 'exit');
    api.process.kill('SIGTERM');
    expect(await exited).toEqual([143, null]);
  });
});
