import type { Rerun } from '../../src/contracts/restart';
import type { Run } from '../../src/contracts/run';
import { createTemplateAnswer } from '../../src/planning/template-answer';
import { depsWith, plannedRun } from '../support/activities';
import { startApiServer, type ApiServer } from '../support/api-server';
import { everything } from '../support/everything';
import { startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { playOut } from '../support/reruns';

let api: ApiServer;
beforeAll(async () => void (api = await startApiServer({ settings: { quotas: { submits: 1_000 } } })));
afterAll(() => api.stop());

/** A run that has calculated. */
async function endedRun(): Promise<string> {
  const deps = depsWith(api.database.db, [], { writer: createTemplateAnswer() });
  const steps = [
    { id: 'one', tool: 'calculator', input: { expression: '1 + 1' } },
    { id: 'two', tool: 'calculator', input: { expression: '{one.value} * 2' } },
  ];
  const run_id = await plannedRun(deps, steps, { tenant: 'tenant_own' });
  await playOut(deps, run_id);
  return run_id;
}
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  api.request(`/v1/runs/${path}`, { method: 'POST', body, headers });

describe('POST /v1/runs/{id}/restart', () => {
  test('answers with the new run and where it is, which waits to be started', async () => {
    const old = await endedRun();
    const reply = await post(`${old}/restart`, { from: 'two', reason: 'again' });
    const run = (await reply.json()) as Run;
    expect([reply.status, reply.headers.get('location')]).toEqual([201, run.urls.self]);
    const origin = { type: 'restart', run_id: old, from: 'two', reason: 'again' };
    expect(run).toMatchObject({ status: 'queued', origin, root_run_id: old, superseded_by: null });
    expect(await api.get(old)).toMatchObject({ superseded_by: run.id });
    expect(await api.taken()).toContainEqual(expect.objectContaining({ id: run.id, origin }));
    const list = async (query: string) =>
      ((await (await api.request(`/v1/runs?${query}`)).json()) as { data: Run[] }).data.map(({ id }) => id);
    expect(await list('superseded=true')).toContain(old);
    expect(await list('superseded=false')).toEqual(expect.arrayContaining([run.id]));
  });

  test('gives a repeated key the same run', async () => {
    const old = await endedRun();
    const headers = { 'idempotency-key': 'again' };
    const first = await post(`${old}/restart`, {}, headers);
    const second = await post(`${old}/restart`, {}, headers);
    expect([first.headers.get('idempotent-replayed'), second.headers.get('idempotent-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect([second.status, ((await second.json()) as Run).id]).toEqual([
      201,
      ((await first.json()) as Run).id,
    ]);
    await problemIn(await post(`${old}/restart`, { from: 'start' }, headers), 'idempotency_mismatch');
    await problemIn(await post(`${old}/restart`, {}, { 'idempotency-key': 'a b' }), 'invalid_request');
  });

  test('says what it would do, and does nothing', async () => {
    const old = await endedRun();
    const before = await everything(api);
    const reply = await post(`${old}/restart?dry_run=true`, { from: 'two' });
    expect(reply.status).toBe(200);
    const { steps } = (await reply.json()) as Rerun;
    expect(steps.map(({ id, action, because }) => `${action} ${id} ${because}`)).toEqual([
      'reuse one completed',
      'run two chosen',
    ]);
    await problemIn(await post(`${old}/restart?dry_run=true`, { from: 'nine' }), 'unknown_step', {
      pointers: ['/from'],
    });
    expect(await everything(api)).toBe(before);
  });

  test('refuses a run that is live, with the hint to cancel it, and one that is gone', async () => {
    const live = await startedRun(api);
    const reply = await post(`${live.id}/restart`, {});
    expect(reply.headers.get('x-should-retry')).toBe('false');
    const { hint } = await problemIn(reply, 'run_not_terminal');
    expect(hint).toContain('cancel');
    await problemIn(await post(`${live.id}/fork`, { at: 'start' }), 'run_not_terminal');
    const old = await endedRun();
    await api.request(`/v1/runs/${old}`, { method: 'DELETE' });
    await problemIn(await post(`${old}/restart`, {}), 'not_found');
  });
});

describe('POST /v1/runs/{id}/fork', () => {
  test('answers with a run of its own and leaves the old one as it is', async () => {
    const old = await endedRun();
    const before = await api.get(old);
    const reply = await post(`${old}/fork`, { at: 'two', step_input: { expression: '{one.value} * 3' } });
    expect(reply.status).toBe(201);
    const run = (await reply.json()) as Run;
    expect(run).toMatchObject({
      origin: { type: 'fork', from: 'two' },
      progress: { steps_total: 2, steps_done: 1 },
    });
    expect(await api.get(old)).toEqual(before);
  });

  test('refuses edits that do not go together, and such as make no plan, by name', async () => {
    const old = await endedRun();
    const before = await everything(api);
    const two = { id: 'two', tool: 'calculator', input: { expression: '2' } };
    const wrong: [
      body: object,
      code: 'invalid_request' | 'invalid_plan' | 'unknown_step',
      pointer: string,
    ][] = [
      [{}, 'invalid_request', '/at'],
      [{ at: 'two', goal: 'another' }, 'invalid_request', '/goal'],
      [{ at: 'start', step_input: {} }, 'invalid_request', '/step_input'],
      [{ at: 'two', step_input: {}, plan: { steps: [two] } }, 'invalid_request', '/step_input'],
      [{ at: 'two', model: 'huge' }, 'invalid_request', '/model'],
      [{ at: 'two', model: 'small' }, 'invalid_request', '/model'], // there is none
      [{ at: 'nine', step_input: { expression: '1' } }, 'unknown_step', '/at'],
      [{ at: 'two', step_input: { expression: true } }, 'invalid_plan', '/step_input/expression'],
      [{ at: 'two', step_input: { expression: '{two.value}' } }, 'invalid_plan', '/plan/steps/1'],
      [{ at: 'two', plan: { steps: [{ ...two, tool: 'abacus' }] } }, 'invalid_plan', '/plan/steps/0/tool'],
    ];
    for (const [body, code, pointer] of wrong)
      await problemIn(await post(`${old}/fork`, body), code, { pointers: [pointer] });
    expect(await everything(api)).toBe(before);
  });
});

test('restarts and forks count as submits', async () => {
  const limits = await startApiServer({ database: api.database, settings: { quotas: { submits: 2 } } });
  const old = await endedRun();
  const send = (action: string, body: object) =>
    limits.request(`/v1/runs/${old}/${action}`, { method: 'POST', body });
  expect([(await send('restart', {})).status, (await send('fork', { at: 'two' })).status]).toEqual([
    201, 201,
  ]);
  await problemIn(await send('restart', {}), 'too_many_requests');
  await limits.stop();
});
