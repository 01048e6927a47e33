import { draftPlan } from '../../src/activities/draft-plan';
import { endRun } from '../../src/runs/end-run';
import { handInPlan } from '../../src/activities/hand-in-plan';
import type { PlanDraft } from '../../src/contracts/plan-estimate';
import { createPatternPlanner } from '../../src/planning/pattern-planner';
import { createRuleJudge } from '../../src/planning/rule-judge';
import { depsWith, plannedRun, use } from '../support/activities';
import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

const asking = (body: object, headers: Record<string, string> = {}) =>
  api.request('/v1/plans', { body, headers });
const deps = () =>
  depsWith(api.database.db, [], { planner: createPatternPlanner(), judge: createRuleJudge() });
/** The run that was submitted after so many. */
const submitted = async (before: number) =>
  (await eventually(async () => (await api.taken())[before], { what: 'the run to be taken' })).id;

/** Asks for a plan and plays the worker that drafts it. */
async function drafted(body: object): Promise<{ status: number; draft: PlanDraft }> {
  const before = (await api.taken()).length;
  const reply = asking(body);
  const run_id = await submitted(before);
  await draftPlan(deps(), { run_id, round: 1 }, 'e').then(
    () => handInPlan(deps(), { run_id, plan_version: 1 }, 'e'),
    (error: { code: 'goal_not_understood'; message: string }) =>
      endRun(
        api.database.db,
        {
          run_id,
          ending: { status: 'failed', failure: { code: error.code, message: error.message } },
        },
        'e',
      ),
  );
  const { status } = await reply;
  return { status, draft: (await (await reply).json()) as PlanDraft };
}

describe('POST /v1/plans', () => {
  test('gives the plan, its verdict and what it may take, and carries nothing out', async () => {
    const { status, draft } = await drafted({ goal: 'calculate 12 * 7, then add the result as a todo' });
    expect(status).toBe(200);
    expect(draft).toMatchObject({
      status: 'completed',
      error: null,
      plan: { source: 'pattern', findings: [], content_hash: expect.any(String) as string },
      verdict: { accepted: true },
      estimate: { critical_path: ['step_1', 'step_2'], model_calls: { least: 0, most: 0 } },
      usage: { input_tokens: 0 },
    });
    expect(await api.database.db.query('select id from todos')).toEqual([]);
    // It may be handed in again as it is.
    const run = await api.submit({ goal: 'the same', plan: { steps: draft.plan!.steps } });
    await draftPlan(deps(), { run_id: run.id, round: 1 }, 'e');
    const [again] = await api.database.db.query('select content_hash from plans where run_id = $1', [run.id]);
    expect(again).toEqual({ content_hash: draft.plan!.content_hash });
  });

  test('says what tools took lately', async () => {
    const steps = [{ id: 'one', tool: 'calculator', input: { expression: '1' } }];
    const run_id = await plannedRun(deps(), steps, { tenant: 'tenant_own' });
    await use(deps(), run_id, 'one');
    await api.database.db.query('update steps set duration_ms = 250 where run_id = $1', [run_id]);
    const { draft } = await drafted({ goal: 'calculate 2 + 2' });
    expect(draft.estimate!.duration_s).toMatchObject({ least: 0.25 });
  });

  test('says why there is no plan', async () => {
    const { status, draft } = await drafted({ goal: 'sing a song' });
    expect(status).toBe(200);
    expect(draft).toMatchObject({
      status: 'failed',
      error: { code: 'goal_not_understood' },
      estimate: null,
      verdict: null,
    });
  });

  test('does not wait longer than it is told, and says where the plan will be', async () => {
    const reply = await asking({ goal: '2 + 2' }, { prefer: 'wait=0' });
    expect(reply.status).toBe(202);
    const draft = (await reply.json()) as PlanDraft;
    expect(draft).toMatchObject({ status: 'queued', plan: null, estimate: null });
    expect(reply.headers.get('location')).toMatch(`/v1/runs/${draft.run_id}`);
  });

  test.each([
    ['a mode', { goal: '2 + 2', mode: 'auto' }, 400],
    ['no goal', {}, 400],
    [
      'a plan with a cycle',
      { goal: 'x', plan: { steps: [{ id: 'a', tool: 'calculator', needs: ['a'] }] } },
      422,
    ],
  ])('refuses %s', async (_what, body, status) => {
    expect((await asking(body)).status).toBe(status);
  });
});
