import { Run } from '../../src/contracts/run';
import { startApiServer, type ApiServer } from '../support/api-server';
import { complete, startedRun } from '../support/played-runs';
import { problemIn } from '../support/problem';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const FOREIGN = () => ({ authorization: `Bearer ${api.keys.foreign}` });
const UNKNOWN = 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV';

const running = () => startedRun(api);
const completed = async (): Promise<Run> => {
  const run = await running();
  await complete(api, run.id);
  return run;
};
const cancel = (id: string, body?: unknown, headers = {}) =>
  api.request(`/v1/runs/${id}/cancel`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });
const typesOf = async (id: string) => {
  const { data } = (await (await api.request(`/v1/runs/${id}/events`)).json()) as {
    data: { type: string }[];
  };
  return data.map(({ type }) => type);
};

describe('GET /v1/runs/{id}', () => {
  test('shows how the run stands', async () => {
    const { id } = await completed();
    const reply = await api.request(`/v1/runs/${id}`);
    expect(reply.status).toBe(200);
    expect(Run.parse(await reply.json())).toMatchObject({
      id,
      status: 'completed',
      answer: '4',
      last_seq: 3,
      phase: null,
    });
  });

  test('answers HEAD without a body', async () => {
    const { id } = await api.submit();
    const reply = await api.request(`/v1/runs/${id}`, { method: 'HEAD' });
    expect([reply.status, await reply.text()]).toEqual([200, '']);
  });

  test('says the same of an unknown, a foreign and an impossible id', async () => {
    const { id } = await api.submit();
    const problems = await Promise.all([
      api.request(`/v1/runs/${UNKNOWN}`).then((reply) => problemIn(reply, 'not_found')),
      api.request(`/v1/runs/${id}`, { headers: FOREIGN() }).then((reply) => problemIn(reply, 'not_found')),
      ...[
        'garbage',
        '%00',
        "run_'--",
        'run_01ARZ3NDEKTSV4RRFFQ69G5FAVX',
        'x'.repeat(2_000),
        id.toLowerCase(),
      ].map(async (bad) => problemIn(await api.request(`/v1/runs/${bad}`), 'not_found')),
    ]);
    const seen = problems.map((problem) => ({ ...problem, instance: '', request_id: '' }));
    for (const problem of seen) expect(problem).toEqual(seen[0]);
  });

  test('refuses what it does not know in a query', async () => {
    const { id } = await api.submit();
    await problemIn(await api.request(`/v1/runs/${id}?expand[]=plan,tools`), 'invalid_request', {
      pointers: ['/query/expand[]/1'],
    });
    await problemIn(await api.request('/v1/runs?dry_run=true', { body: { goal: 'a' } }), 'invalid_request', {
      pointers: ['/query/dry_run'],
    });
  });
});

describe('POST /v1/runs/{id}/cancel', () => {
  test('ends a queued run at once', async () => {
    const { id } = await api.submit();
    const reply = await cancel(id, { reason: 'changed my mind' });
    expect(reply.status).toBe(200);
    const run = Run.parse(await reply.json());
    expect(run).toMatchObject({ status: 'cancelled', status_reason: 'changed my mind', last_seq: 2 });
    expect(run.finished_at).not.toBeNull();
    expect(await typesOf(id)).toEqual(['run.created', 'run.cancelled']);
    expect(api.workflows.woken).not.toContain(id);
  });

  test('wishes a running run cancelled, once, and wakes its workflow', async () => {
    const { id } = await running();
    const first = await cancel(id, { reason: 'too slow' });
    expect(first.status).toBe(202);
    expect(Run.parse(await first.json())).toMatchObject({ status: 'cancelling', status_reason: 'too slow' });
    const second = await cancel(id, { reason: 'again' });
    expect(second.status).toBe(202);
    expect(await second.json()).toMatchObject({ status: 'cancelling', status_reason: 'too slow' });
    expect(await typesOf(id)).toEqual(['run.created', 'run.status', 'run.status']);
    expect(api.workflows.woken).toContain(id);
    const wishes = await api.database.db.query('select kind, reason from wishes where run_id = $1', [id]);
    expect(wishes).toEqual([{ kind: 'cancel', reason: 'too slow' }]);
  });

  test('is taken while Temporal is away', async () => {
    const { id } = await running();
    api.workflows.away = true;
    try {
      expect((await cancel(id)).status).toBe(202);
    } finally {
      api.workflows.away = false;
    }
  });

  test('leaves a run that is over as it is', async () => {
    const { id } = await completed();
    const before = await api.get(id);
    const reply = await cancel(id, {});
    expect([reply.status, await reply.json()]).toEqual([200, before]);
  });

  test('of twenty at once on a queued run one ends it', async () => {
    const { id } = await api.submit();
    const replies = await Promise.all(Array.from({ length: 20 }, () => cancel(id)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await typesOf(id)).toEqual(['run.created', 'run.cancelled']);
  });

  test('does not touch a run of another tenant', async () => {
    const { id } = await running();
    await problemIn(await cancel(id, {}, FOREIGN()), 'not_found');
    await problemIn(await cancel(UNKNOWN), 'not_found');
    await problemIn(await cancel('garbage'), 'not_found');
    expect((await api.get(id)).status).toBe('running');
  });

  test.each([
    [{ reason: '' }, '/reason'],
    [{ reason: 'x'.repeat(501) }, '/reason'],
    [{ reason: 7 }, '/reason'],
    [{ reason: 'a\0b' }, '/reason'],
    [{ force: true }, '/force'],
    [[], ''],
  ])('refuses the body %j', async (body, pointer) => {
    const { id } = await running();
    await problemIn(await cancel(id, body), 'invalid_request', { pointers: [pointer] });
    expect((await api.get(id)).status).toBe('running');
  });
});
