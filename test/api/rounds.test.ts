import { draftPlan } from '../../src/activities/draft-plan';
import { judgePlan } from '../../src/activities/judge-plan';
import { useTool } from '../../src/activities/use-tool';
import type { PlanView, StepView, VerdictView } from '../../src/contracts/round-views';
import type { Run } from '../../src/contracts/run';
import { depsWith, AROUND } from '../support/activities';
import { startApiServer, type ApiServer } from '../support/api-server';
import { fakeJudge, fakePlanner } from '../support/fakes';
import { problemIn } from '../support/problem';
import { newRun } from '../support/runs';

const calculator = (id: string, expression: string, more: object = {}) => ({
  id,
  tool: 'calculator',
  input: { expression },
  ...more,
});
const FIRST = { kind: 'plan' as const, steps: [calculator('only', '1')] };
const SECOND = {
  kind: 'plan' as const,
  steps: [
    calculator('one', '1 + 1', { title: 'adds' }),
    calculator('zero', '1 / 0', { on_failure: 'continue' }),
    calculator('two', '{one.value} * {zero.value}'),
  ],
};
const BAD = { is_valid: false, confidence: 0.9, issues: ['It does too little.'], suggestions: ['Do more.'] };
const GOOD = { is_valid: true, confidence: 0.75, issues: [], suggestions: [] };

let api: ApiServer;
/** Two rounds: a plan that the judge refused, and one that is carried out later. */
let run_id: string;
/** A run that nobody has begun. */
let queued_id: string;

beforeAll(async () => {
  api = await startApiServer();
  const { db } = api.database;
  queued_id = await newRun(db, { tenant: 'tenant_own' });
  run_id = await newRun(db, { tenant: 'tenant_own' });
  const deps = depsWith(db, [], { planner: fakePlanner(FIRST, SECOND), judge: fakeJudge(BAD) });
  await draftPlan(deps, { run_id, round: 1 }, 'e');
  await judgePlan(deps, { run_id, round: 1 }, AROUND);
  await draftPlan(deps, { run_id, round: 2 }, 'e');
});
afterAll(() => api.stop());

const get = async <T>(path: string): Promise<T> => {
  const reply = await api.request(`/v1/runs/${path}`);
  expect(reply.status).toBe(200);
  return (await reply.json()) as T;
};
interface List<T> {
  data: T[];
  has_more: boolean;
  first_id: string | null;
  last_id: string | null;
}
const list = <T>(path: string) => get<List<T>>(path);

/** The second plan is accepted and carried out. */
async function carryOut(): Promise<void> {
  const deps = depsWith(api.database.db, [], { judge: fakeJudge(GOOD) });
  await judgePlan(deps, { run_id, round: 2 }, AROUND);
  const surroundings = { execution: 'e', cancelled: new AbortController().signal };
  for (const step_id of ['one', 'zero']) {
    await useTool(deps, { run_id, plan_version: 2, step_id }, surroundings).catch(() => undefined);
  }
}

describe('a run that nobody has begun', () => {
  test('has no plan, no steps, no verdicts', async () => {
    const run = await get<Run>(`${queued_id}?expand[]=verdicts&expand[]=steps&expand[]=plan`);
    expect(run).toMatchObject({ plan: null, steps: [], verdicts: [] });
    for (const name of ['plans', 'steps', 'verdicts']) {
      expect(await list(`${queued_id}/${name}`)).toEqual({
        object: 'list',
        data: [],
        has_more: false,
        first_id: null,
        last_id: null,
      });
    }
  });
});

describe('a run whose second plan is not judged yet', () => {
  test('shows that plan, its steps, and the verdict of the first', async () => {
    const run = await get<Run>(`${run_id}?expand[]=plan,steps,verdicts`);
    expect(run.progress).toMatchObject({ plan_version: null, rounds: 2, steps_total: 0 });
    expect(run.plan).toMatchObject({ version: 2, accepted: null, source: 'pattern' });
    expect(run.steps!.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'one pending',
      'zero pending',
      'two pending',
    ]);
    expect(run.verdicts).toMatchObject([{ plan_version: 1, ...BAD, accepted: false, threshold: 0.5 }]);
  });

  test('gives back what was asked for and nothing else', async () => {
    expect(Object.keys(await get(run_id))).not.toEqual(expect.arrayContaining(['plan']));
    const run = await get<Run>(`${run_id}?expand[]=steps,steps`);
    expect([run.steps!.length, 'plan' in run, 'verdicts' in run]).toEqual([3, false, false]);
  });
});

describe('a run that is carried out', () => {
  beforeAll(carryOut);

  test('lists its plans, the refused one too, with the edges of each', async () => {
    const plans = await list<PlanView>(`${run_id}/plans`);
    expect(plans).toMatchObject({ has_more: false, first_id: '1', last_id: '2' });
    expect(plans.data).toMatchObject([
      { object: 'plan', run_id, version: 1, accepted: false, edges: [], findings: [], failure: null },
      { version: 2, accepted: true, steps: SECOND.steps },
    ]);
    expect(plans.data[1]!.edges.sort()).toEqual([
      ['one', 'two'],
      ['zero', 'two'],
    ]);
    expect(plans.data[0]!.content_hash).toMatch(/^[0-9a-f]{64}$/);
    for (const plan of plans.data) expect(await get(`${run_id}/plans/${plan.version}`)).toEqual(plan);
    expect((await get<Run>(`${run_id}?expand[]=plan`)).plan).toEqual(plans.data[1]);
  });

  test('lists the steps of the plan it carries out, with outputs, failures and reasons', async () => {
    const steps = await list<StepView>(`${run_id}/steps`);
    expect(steps).toMatchObject({ has_more: false, first_id: 'one', last_id: 'two' });
    expect(steps.data).toMatchObject([
      {
        object: 'step',
        id: 'one',
        run_id,
        plan_version: 2,
        position: 0,
        title: 'adds',
        status: 'completed',
        input: { expression: '1 + 1' },
        output: { value: 2 },
        failure: null,
      },
      { id: 'zero', title: null, status: 'failed', output: null, failure: { code: 'division_by_zero' } },
      {
        id: 'two',
        needs: expect.arrayContaining(['one', 'zero']) as string[],
        status: 'skipped',
        input: null,
      },
    ]);
    for (const step of steps.data) expect(await get(`${run_id}/steps/${step.id}`)).toEqual(step);
    expect((await get<Run>(`${run_id}?expand[]=steps`)).steps).toEqual(steps.data);
  });

  test('lists what the judge said of each plan', async () => {
    const verdicts = await list<VerdictView>(`${run_id}/verdicts`);
    expect(verdicts).toMatchObject({ has_more: false, first_id: '1', last_id: '2' });
    expect(verdicts.data).toMatchObject([
      { object: 'verdict', run_id, plan_version: 1, ...BAD, accepted: false, judged_by: 'fake judge' },
      { plan_version: 2, ...GOOD, accepted: true, threshold: 0.5 },
    ]);
    expect((await get<Run>(`${run_id}?expand[]=verdicts`)).verdicts).toEqual(verdicts.data);
  });

  test.each([
    'plans/0',
    'plans/3',
    'plans/01',
    'plans/1.0',
    'plans/1000000',
    'plans/newest',
    'steps/only',
    'steps/One',
    'steps/%00',
  ])('has no %s', async (path) => {
    await problemIn(await api.request(`/v1/runs/${run_id}/${path}`), 'not_found');
  });
});

describe('tools', () => {
  test('are listed with what they take and promise', async () => {
    const reply = await api.request('/v1/tools');
    const tools = (await reply.json()) as List<{ name: string }>;
    expect(tools.data.map(({ name }) => name)).toEqual(expect.arrayContaining(['calculator', 'todo.add']));
    expect([tools.first_id, tools.last_id]).toEqual([tools.data[0]!.name, tools.data.at(-1)!.name]);
    for (const tool of tools.data) {
      expect(await (await api.request(`/v1/tools/${tool.name}`)).json()).toEqual(tool);
    }
    const [calculator] = tools.data.filter(({ name }) => name === 'calculator');
    expect(calculator).toMatchObject({
      object: 'tool',
      effect: 'pure',
      lane: 'instant',
      input_schema: { type: 'object', required: ['expression'] },
    });
  });

  test.each(['nothing', 'constructor', '__proto__', 'CALCULATOR', 'todo'])('%s is none', async (name) => {
    await problemIn(await api.request(`/v1/tools/${name}`), 'not_found');
  });
});
