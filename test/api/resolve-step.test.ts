import { start, depsWith, outside, plannedRun } from '../support/activities';
import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';

let api: ApiServer;
beforeAll(async () => void (api = await startApiServer()));
afterAll(() => api.stop());

const send = outside('unsafe', 'send', () => Promise.reject(new Error('socket hang up')));

/** A run whose step `one` waits for an answer. */
async function askingRun(): Promise<string> {
  const deps = depsWith(api.database.db, [send]);
  const run_id = await plannedRun(deps, [{ id: 'one', tool: 'send' }], { tenant: 'tenant_own' });
  expect(await start(deps, run_id, 'one')).toMatchObject({ status: 'waiting' });
  return run_id;
}

const resolve = (run_id: string, body: unknown, step = 'one') =>
  api.request(`/v1/runs/${run_id}/steps/${step}/resolve`, { method: 'POST', body });

describe('POST /v1/runs/{id}/steps/{step}/resolve', () => {
  test('answers with the step as it goes on, and the run is no longer waiting', async () => {
    const run_id = await askingRun();
    expect(await (await api.request(`/v1/runs/${run_id}`)).json()).toMatchObject({ status: 'waiting' });
    const reply = await resolve(run_id, { outcome: 'done', output: { sent: true }, reason: 'It is there.' });
    expect(reply.status).toBe(200);
    expect(await reply.json()).toMatchObject({ id: 'one', status: 'completed', output: { sent: true } });
    expect(await (await api.request(`/v1/runs/${run_id}`)).json()).toMatchObject({ status: 'running' });
    await problemIn(await resolve(run_id, { outcome: 'not_done', reason: 'It is not.' }), 'invalid_state');
  });

  test('refuses what is wrong, by name, and the step waits on', async () => {
    const run_id = await askingRun();
    const wrong: [body: unknown, pointer: string][] = [
      [{ outcome: 'maybe', reason: 'x' }, '/outcome'],
      [{ outcome: 'done' }, '/reason'],
      [{ outcome: 'not_done', reason: 'x', output: 1 }, '/output'],
    ];
    for (const [body, pointer] of wrong)
      await problemIn(await resolve(run_id, body), 'invalid_request', { pointers: [pointer] });
    await problemIn(await resolve(run_id, { outcome: 'not_done', reason: 'x' }, 'two'), 'not_found');
    await problemIn(await resolve(run_id, { outcome: 'not_done', reason: 'x' }, '%00'), 'not_found');
    const step = await api.request(`/v1/runs/${run_id}/steps/one`);
    expect(await step.json()).toMatchObject({ status: 'waiting', effect_status: 'unknown' });
  });
});
