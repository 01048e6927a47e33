import type { Run } from '../../src/contracts/run';
import { movedClock } from '../support/moved-clock';
import { problemIn } from '../support/problem';
import { eventsOf, newRun } from '../support/runs';
import { startSystem, type ApiProgram, type Program, type System } from '../support/stack';
import { terminateWorkflow } from '../support/temporal-program';

const HOUR_MS = 3_600_000;
const WRONG = [
  ['ahead', HOUR_MS],
  ['behind', -HOUR_MS],
] as const;
type Which = 'right' | 'ahead' | 'behind';
const ALL: readonly Which[] = ['right', 'ahead', 'behind'];
const waiting = (ms: number) => ({ steps: [{ id: 'a', tool: 'test.wait', input: { ms } }] });
const LONG = { goal: 'wait', plan: waiting(60_000) };
const GOAL = { goal: '6 * 7' };

let system: System;
const apis = {} as Record<Which, ApiProgram>;
beforeAll(async () => {
  system = await startSystem({ settings: { PUBLIC_URL: 'http://longhaul.test' } });
  apis.right = system.api;
  for (const [which, ms] of WRONG) apis[which] = await system.startApi(undefined, movedClock(ms));
});
afterAll(() => system.stop());

/** A request to the API whose clock is so; with a body it is a POST. */
function ask(
  which: Which,
  path: string,
  { body, key = system.key, headers = {} }: { body?: object; key?: string; headers?: object } = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${apis[which].port}${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  });
}

async function made<T>(reply: Response): Promise<T> {
  expect(reply.ok).toBe(true);
  return (await reply.json()) as T;
}

async function completes({ id }: Run): Promise<void> {
  const run = await system.ended(id);
  expect(run).toMatchObject({ status: 'completed', answer: '6 * 7 = 42' });
  const times = [run.created_at, run.started_at!, run.finished_at!].map((time) => Date.parse(time));
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(Math.abs(times[0]! - Date.now())).toBeLessThan(HOUR_MS / 2);
  const [first] = await eventsOf(system.database.db, id);
  expect(first!.data).toMatchObject({ run: { created_at: run.created_at } });
}

describe.each(WRONG)('An API whose clock is an hour %s', (which) => {
  test('takes runs that complete', async () => {
    await completes(await made(await ask(which, '/v1/runs', { body: GOAL })));
  });

  test('gives a run its whole time', async () => {
    const run = await made<Run>(await ask(which, '/v1/runs', { body: { goal: 'wait', plan: waiting(300) } }));
    expect(await system.ended(run.id)).toMatchObject({ status: 'completed' });
  });

  test('knows the run of a repeated request, as the others do', async () => {
    const headers = { 'idempotency-key': `first-${which}` };
    const { id } = await made<Run>(await ask(which, '/v1/runs', { body: GOAL, headers }));
    for (const other of ALL) {
      expect(await made(await ask(other, '/v1/runs', { body: GOAL, headers }))).toMatchObject({ id });
    }
    const [key] = await system.database.db.query<{ hours: number }>(
      'select extract(epoch from expires_at - now())::float8 / 3600 as hours from idempotency_keys where run_id = $1',
      [id],
    );
    expect(key!.hours).toBeCloseTo(24, 1);
  });

  test('gives tickets that open one stream, wherever it is', async () => {
    const run = await made<Run>(await ask(which, '/v1/runs', { body: GOAL }));
    for (const other of ALL) {
      const { ticket } = await made<{ ticket: string }>(await ask(which, '/v1/stream-tickets', { body: {} }));
      const open = () =>
        fetch(`http://127.0.0.1:${apis[other].port}/v1/runs/${run.id}/events?ticket=${ticket}`, {
          headers: { accept: 'text/event-stream' },
        });
      expect(await (await open()).text()).toContain('event: run.completed');
      await problemIn(await open(), 'unauthorized');
    }
  });

  test('makes keys that are accepted as long as was said', async () => {
    const make = (more: object) =>
      ask(which, '/v1/api-keys', { body: { name: which, scopes: ['runs:read'], ...more } });
    const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
    for (const life of [{ expires_in_s: 600 }, { expires_at: inMinutes(10) }]) {
      const { secret } = await made<{ secret: string }>(await make(life));
      for (const other of ALL) expect((await ask(other, '/v1/runs', { key: secret })).status).toBe(200);
    }
    const past = await make({ expires_at: inMinutes(-10) });
    await problemIn(past, 'invalid_request', { pointers: ['/expires_at'] });
  });

  test('counts the requests of a key in the same minute as the others', async () => {
    const body = { name: which, scopes: ['runs:write'], limits: { submits: 2 } };
    const { secret } = await made<{ secret: string }>(await ask('right', '/v1/api-keys', { body }));
    const submit = (at: Which) => ask(at, '/v1/runs', { body: GOAL, key: secret });
    await made(await submit(which));
    await made(await submit('right'));
    const { retry_after_s } = await problemIn(await submit(which), 'too_many_requests');
    expect(retry_after_s).toBeLessThanOrEqual(60);
  });
});

describe.each(WRONG)('A worker whose clock is an hour %s', (_which, ms) => {
  let worker: Program;
  beforeAll(async () => {
    await system.worker.stop();
    worker = await system.startWorker(movedClock(ms));
  });
  afterAll(() => worker.stop());

  test.each(ALL)('carries out what an API takes whose clock is %s', async (api) => {
    await completes(await made(await ask(api, '/v1/runs', { body: GOAL })));
  });

  test('ends runs that are cancelled', async () => {
    const run = await made<Run>(await ask('right', '/v1/runs', { body: LONG }));
    await made(await ask('right', `/v1/runs/${run.id}/cancel`, { body: {} }));
    const { status, created_at, finished_at } = await system.ended(run.id);
    expect(status).toBe('cancelled');
    expect(Date.parse(finished_at!)).toBeGreaterThanOrEqual(Date.parse(created_at));
  });

  test('starts runs that were taken before it came', async () => {
    const run_id = await newRun(system.database.db, { tenant: 'development', plan: waiting(1) });
    expect(await system.ended(run_id)).toMatchObject({ status: 'completed' });
  });

  test('ends runs whose workflow is terminated', async () => {
    const { id } = await made<Run>(await ask('right', '/v1/runs', { body: LONG }));
    await system.describe(id, 'RUNNING');
    await terminateWorkflow(id, 'Enough.');
    expect(await system.ended(id)).toMatchObject({ status: 'cancelled', status_reason: 'Enough.' });
  });
});
