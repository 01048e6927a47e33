import type { Run } from '../../src/contracts/run';
import { plannedRun, depsWith, use } from '../support/activities';
import { startApiServer, type ApiServer, type RequestOptions } from '../support/api-server';
import { complete, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';
import { COMPLETED } from '../support/runs';
import { openWs } from '../support/stream-readers';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const ask = (method: string, id: string, options: RequestOptions = {}) =>
  api.request(`/v1/runs/${id}`, { method, ...options });
const patch = (id: string, body: unknown, headers = {}) => ask('PATCH', id, { body, headers });
const tagOf = async (id: string) => (await ask('GET', id)).headers.get('etag')!;
const FOREIGN = () => ({ authorization: `Bearer ${api.keys.foreign}` });

/** A run that is over, with a plan, a step and events. */
async function endedRun(): Promise<string> {
  const deps = depsWith(api.database.db);
  const steps = [{ id: 'one', tool: 'calculator', input: { expression: '1' } }];
  const id = await plannedRun(deps, steps, { tenant: 'tenant_own' });
  await use(deps, id, 'one');
  await api.append(id, [COMPLETED], { status: 'completed', finished_at: new Date().toISOString() });
  return id;
}

describe('ETag of a run', () => {
  test('is the same until something changes: 304, HEAD too', async () => {
    const { id } = await api.submit();
    const etag = await tagOf(id);
    expect(etag).toMatch(/^"\d+"$/);
    for (const method of ['GET', 'HEAD']) {
      for (const seen of [etag, `W/${etag}`, `"0", ${etag}`, '*']) {
        const reply = await ask(method, id, { headers: { 'if-none-match': seen } });
        expect([seen, reply.status, reply.headers.get('etag'), await reply.text()]).toEqual([
          seen,
          304,
          etag,
          '',
        ]);
      }
      for (const seen of ['"0"', '"x"', 'garbage', '', etag.replaceAll('"', '')]) {
        expect((await ask(method, id, { headers: { 'if-none-match': seen } })).status).toBe(200);
      }
    }
  });

  test('changes with events, with labels, and with wishes', async () => {
    const { id } = await startedRun(api);
    const tags = [await tagOf(id)];
    await api.append(id, [{ key: 'a', type: 'step.skipped', data: { reason: 'a' } }]);
    tags.push(await tagOf(id));
    const patched = await patch(id, { tags: ['a'] });
    tags.push(await tagOf(id));
    expect(patched.headers.get('etag')).toBe(tags.at(-1));
    await api.request(`/v1/runs/${id}/cancel`, { method: 'POST' });
    tags.push(await tagOf(id));
    expect(new Set(tags).size).toBe(4);
    expect((await ask('GET', id, { headers: { 'if-none-match': tags[0]! } })).status).toBe(200);
  });

  test('tells what was expanded apart', async () => {
    const { id } = await api.submit();
    const etag = await tagOf(id);
    const expanded = await api.request(`/v1/runs/${id}?expand[]=steps,plan`, {
      headers: { 'if-none-match': etag },
    });
    expect(expanded.status).toBe(200);
    const other = await api.request(`/v1/runs/${id}?expand[]=plan&expand[]=steps`);
    expect(other.headers.get('etag')).toBe(expanded.headers.get('etag'));
    expect(expanded.headers.get('etag')).not.toBe(etag);
  });
});

describe('PATCH /v1/runs/{id}', () => {
  test('replaces what is given, leaves the rest, and makes no event', async () => {
    const { id } = await api.submit({ goal: 'a', tags: ['old'], metadata: { a: '1', b: '2' } });
    const before = await api.get(id);
    const tagged = (await (await patch(id, { tags: ['new', 'new', 'ö'] })).json()) as Run;
    expect(tagged).toEqual({ ...before, tags: ['new', 'ö'], updated_at: tagged.updated_at });
    const labelled = (await (await patch(id, { metadata: { c: '3', constructor: 'x' } })).json()) as Run;
    expect(labelled).toMatchObject({
      tags: ['new', 'ö'],
      metadata: { c: '3', constructor: 'x' },
      last_seq: 1,
    });
    expect((await (await patch(id, { tags: [], metadata: {} })).json()) as Run).toMatchObject({
      tags: [],
      metadata: {},
    });
  });

  test('is taken for a run that is over, too', async () => {
    const id = await endedRun();
    expect((await patch(id, { tags: ['late'] })).status).toBe(200);
  });

  test('is refused when something has changed since, and changes nothing then', async () => {
    const { id } = await api.submit();
    const etag = await tagOf(id);
    expect((await patch(id, { tags: ['first'] }, { 'if-match': etag })).status).toBe(200);
    await problemIn(await patch(id, { tags: ['second'] }, { 'if-match': etag }), 'precondition_failed');
    for (const seen of ['garbage', '"x"', '', '"1', '1', '"99999999999999999999"']) {
      await problemIn(await patch(id, { tags: ['second'] }, { 'if-match': seen }), 'precondition_failed');
    }
    expect((await api.get(id)).tags).toEqual(['first']);
    expect((await patch(id, { tags: ['third'] }, { 'if-match': '*' })).status).toBe(200);
  });

  test('of ten at once with the same tag one is taken', async () => {
    const { id } = await api.submit();
    const headers = { 'if-match': await tagOf(id) };
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, n) => patch(id, { tags: [`n${n}`] }, headers)),
    );
    const taken = replies.filter(({ status }) => status === 200);
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(9).fill(412)]);
    expect(await taken[0]!.json()).toEqual(await api.get(id));
  });

  test.each<[unknown, string]>([
    [{}, ''],
    [{ goal: 'another' }, '/goal'],
    [{ status: 'completed' }, '/status'],
    [{ tags: null }, '/tags'],
    [{ tags: ['a'], metadata: null }, '/metadata'],
    [{ metadata: { a: 1 } }, '/metadata/a'],
    [[], ''],
  ])('refuses the body %j', async (body, pointer) => {
    const { id } = await api.submit();
    const before = await api.get(id);
    const { errors } = await problemIn(await patch(id, body), 'invalid_request');
    expect(errors[0]!.pointer).toBe(pointer);
    expect(await api.get(id)).toEqual(before);
  });
});

describe('DELETE /v1/runs/{id}', () => {
  test('removes a run that is over with all that was kept of it', async () => {
    const id = await endedRun();
    const other = await endedRun();
    const reply = await ask('DELETE', id);
    expect([reply.status, await reply.text()]).toEqual([204, '']);
    for (const path of ['', '/events', '/plans', '/steps', '/steps/one', '/verdicts']) {
      await problemIn(await api.request(`/v1/runs/${id}${path}`), 'not_found');
    }
    const stream = await api.request(`/v1/runs/${id}/events`, { headers: { accept: 'text/event-stream' } });
    await problemIn(stream, 'not_found');
    expect((await (await openWs(api, `/ws/runs/${id}`)).closed())[0]).toBe(4404);
    await problemIn(await ask('DELETE', id), 'not_found');
    for (const table of ['runs', 'plans', 'steps', 'events']) {
      const of = table === 'runs' ? 'id' : 'run_id';
      const count = `select (count(*) filter (where ${of} = $1))::int as gone, (count(*) filter (where ${of} = $2) > 0) as kept from ${table}`;
      expect(await api.database.owner.query(count, [id, other])).toEqual([{ gone: 0, kept: true }]);
    }
  });

  test('frees its Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'freed' };
    const { id } = await api.submit({ goal: 'a' }, headers);
    await complete(api, id);
    await ask('DELETE', id);
    expect((await api.submit({ goal: 'another' }, headers)).id).not.toBe(id);
  });

  test('leaves a run that has not ended', async () => {
    const queued = await api.submit();
    const running = await startedRun(api);
    for (const { id } of [queued, running]) {
      const reply = await ask('DELETE', id);
      expect(reply.headers.get('x-should-retry')).toBe('false');
      await problemIn(reply, 'run_not_terminal');
      expect((await api.get(id)).id).toBe(id);
    }
  });

  test('leaves a run that has changed since, and one of another tenant', async () => {
    const id = await endedRun();
    const etag = await tagOf(id);
    await patch(id, { tags: ['changed'] });
    await problemIn(await ask('DELETE', id, { headers: { 'if-match': etag } }), 'precondition_failed');
    await problemIn(await ask('DELETE', id, { headers: FOREIGN() }), 'not_found');
    expect((await api.get(id)).tags).toEqual(['changed']);
    expect((await ask('DELETE', id, { headers: { 'if-match': await tagOf(id) } })).status).toBe(204);
  });

  test('of ten at once one removes it', async () => {
    const id = await endedRun();
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask('DELETE', id)));
    expect(replies.map(({ status }) => status).sort()).toEqual([204, ...Array<number>(9).fill(404)]);
  });
});
