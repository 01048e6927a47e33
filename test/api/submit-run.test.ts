import { Run } from '../../src/contracts/run';
import { RULES, startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const count = async (table: string) => {
  const [row] = await api.database.db.query<{ n: number }>(`select count(*)::int as n from ${table}`);
  return row!.n;
};

describe('POST /v1/runs', () => {
  test('takes a run: 202, where it is, when to ask, and its first event is there already', async () => {
    const body = {
      goal: 'What is 12 * 7?',
      user: 'ada',
      budget: { max_steps: 7, max_duration_s: 60 },
      metadata: { order: '17', constructor: 'kept', 'ä/~': '' },
      tags: ['red', 'blue', 'red'],
    };
    const reply = await api.request('/v1/runs', { body });
    const text = await reply.text();
    expect([reply.status, reply.headers.get('content-type')]).toEqual([
      202,
      'application/json; charset=utf-8',
    ]);
    const run = Run.parse(JSON.parse(text));
    expect(run).toMatchObject({
      object: 'run',
      status: 'queued',
      goal: body.goal,
      user: 'ada',
      budget: body.budget,
      metadata: body.metadata,
      tags: ['red', 'blue'],
      answer: null,
      error: null,
      finished_at: null,
      attempt: 1,
      last_seq: 1,
      root_run_id: run.id,
      origin: { type: 'api', run_id: null, from: null },
      urls: { self: `http://longhaul.test/v1/runs/${run.id}` },
      temporal: { workflow_id: run.id },
    });
    expect(reply.headers.get('location')).toBe(run.urls.self);
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(reply.headers.get('idempotent-replayed')).toBeNull();
    expect((await api.taken()).at(-1)).toMatchObject({ id: run.id, tenant: 'tenant_own', goal: body.goal });

    const events = (await (await api.request(`/v1/runs/${run.id}/events`)).json()) as { data: object[] };
    expect(events.data).toMatchObject([
      {
        seq: 1,
        type: 'run.created',
        run_id: run.id,
        attempt: 1,
        v: 1,
        data: { run: { id: run.id, user: 'ada' } },
      },
    ]);
    expect(await api.get(run.id)).toEqual(run);
  });

  test('fills the budget with the rules, and takes a body without optional fields', async () => {
    const run = await api.submit({ goal: '2 + 2' });
    expect(run).toMatchObject({ user: null, metadata: {}, tags: [] });
    expect(run.budget).toEqual({
      max_steps: RULES.max_steps,
      max_duration_s: RULES.max_duration_s,
      max_tokens: null,
      max_cost_usd: null,
    });
  });

  test('takes a goal of 32,000 characters and gives every one of them back', async () => {
    const goal = `${'ä'.repeat(31_990)} \u{1f600}\n"\\`;
    expect((await api.get((await api.submit({ goal })).id)).goal).toBe(goal);
  });

  test('refuses a budget above the rules and points at each part', async () => {
    const before = await count('runs');
    const body = { goal: '1 + 1', budget: { max_steps: RULES.max_steps + 1, max_duration_s: 1e9 } };
    const problem = await problemIn(await api.request('/v1/runs', { body }), 'invalid_request', {
      pointers: ['/budget/max_steps', '/budget/max_duration_s'],
    });
    expect(problem.errors[0]!.detail).toContain('50');
    expect(problem.error.param).toBe('budget');
    expect(await count('runs')).toBe(before);
  });
});

describe('plan that a client hands in', () => {
  const add = (id: string, expression: unknown, more: object = {}) => ({
    id,
    tool: 'calculator',
    input: { expression },
    ...more,
  });
  const submit = (steps: unknown, more: object = {}) =>
    api.request('/v1/runs', { body: { goal: 'Carry this out.', plan: { steps }, ...more } });

  test('is taken when it is sound', async () => {
    const reply = await submit([add('a', '1 + 1'), add('b', '{a.value} * 2', { needs: ['a'] })]);
    expect(reply.status).toBe(202);
    const { id } = (await reply.json()) as Run;
    const [row] = await api.database.db.query<{ given_plan: { steps: object[] } }>(
      'select given_plan from runs where id = $1',
      [id],
    );
    expect(row!.given_plan.steps).toHaveLength(2);
  });

  test.each([
    ['a cycle', [add('a', '{b.value}'), add('b', '{a.value}')], ['/plan/steps/0', '/plan/steps/1'], 'cycle'],
    ['an unknown tool', [{ id: 'a', tool: 'constructor' }], ['/plan/steps/0/tool'], 'unknown_tool'],
    [
      'a dangling reference',
      [add('a', '{zz.value}')],
      ['/plan/steps/0/input/expression'],
      'unknown_reference',
    ],
    ['an input of the wrong type', [add('a', [7])], ['/plan/steps/0/input/expression'], 'invalid_input'],
    ['51 steps', Array.from({ length: 51 }, (_, i) => add(`s${i}`, '1')), ['/plan/steps'], 'too_many_steps'],
    ['no steps', [], ['/plan/steps'], 'empty_plan'],
  ])('is refused for %s, by pointer', async (_what, steps, pointers, code) => {
    const before = await count('runs');
    const problem = await problemIn(await submit(steps), 'invalid_plan', { pointers });
    expect(problem.errors[0]!.code).toBe(code);
    expect(problem.error.param).toBe('plan');
    expect(await count('runs')).toBe(before);
  });

  test('is refused for all that is wrong with it at once', async () => {
    const steps = [
      add('a', '{c.value}'),
      add('a', 'x', { needs: ['nobody'] }),
      { id: 'B!', tool: 'no.such' },
      add('c', '{a.value}'),
    ];
    const { errors } = await problemIn(await submit(steps), 'invalid_plan');
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`).sort()).toEqual([
      '/plan/steps/0 cycle',
      '/plan/steps/1 cycle',
      '/plan/steps/1/id duplicate_id',
      '/plan/steps/1/needs/0 unknown_reference',
      '/plan/steps/2/id invalid_id',
      '/plan/steps/2/tool unknown_tool',
      '/plan/steps/3 cycle',
    ]);
  });

  test('may have as many steps as its own budget says', async () => {
    await problemIn(
      await submit([add('a', '1'), add('b', '2')], { budget: { max_steps: 1 } }),
      'invalid_plan',
      {
        pointers: ['/plan/steps'],
      },
    );
  });

  test.each<[object, string, string]>([
    [{ when: { ref: 'a.value' } }, '/when/op', 'expected one of'],
    [{ when: { ref: 'a.value', op: 'like' } }, '/when/op', 'expected one of'],
    [
      { when: { all: [{ ref: 'a', op: 'exists' }, { not: { any: [] } }] } },
      '/when/all/1/not/any',
      'Too small',
    ],
    [{ when: 'a.value > 1' }, '/when', 'none of the forms'],
    [{ when: { ref: 'a', op: 'eq', value: {} } }, '/when/value', 'none of the forms'],
    [{ join: 'some' }, '/join', 'expected one of'],
  ])('is refused with the place and the words for %j', async (more, pointer, words) => {
    const { errors } = await problemIn(await submit([add('a', '1', more)]), 'invalid_request');
    expect(errors).toMatchObject([{ pointer: `/plan/steps/0${pointer}` }]);
    expect(errors[0]!.detail).toContain(words);
  });

  test('is refused with 400 where it has no shape', async () => {
    await problemIn(await submit([{ id: 'a', tool: 'calculator', retries: 3 }]), 'invalid_request', {
      pointers: ['/plan/steps/0/retries'],
    });
    await problemIn(await submit('none'), 'invalid_request', { pointers: ['/plan/steps'] });
  });
});
