import { draftPlan } from '../../src/activities/draft-plan';
import { draftPlanWithModel } from '../../src/activities/draft-plan-with-model';
import type { Spending } from '../../src/contracts/model';
import { Refusal } from '../../src/contracts/refusal';
import type { Planner } from '../../src/planning/planner';
import { AROUND, ECHO, NEVER, depsWith } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { question } from '../support/fake-models';
import { fakeJudge, fakePlanner } from '../support/fakes';
import { STEPS, withMinds } from '../support/minds';
import { newRun, reopen, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

describe('a question to a model in a run that was reset', () => {
  test('whose reply could not be read is asked anew, and both replies are paid for', async () => {
    const { deps, models } = withMinds(test_db.db, 'gibberish', 'a plan');
    const planner: Planner = {
      source: 'model',
      async draft(_, { ask }) {
        const { text } = await ask(question('plan'));
        if (text !== 'a plan') throw new Refusal('reply_unreadable', 'It is no plan.');
        return { kind: 'plan', steps: STEPS };
      },
    };
    const minds = { ...deps, minds: { ...deps.minds!, planner } };
    const run_id = await newRun(test_db.db);
    const draft = (execution: string) =>
      draftPlanWithModel(minds, { run_id, round: 1 }, { execution, cancelled: NEVER });
    for (const _ of [1, 2]) await expect(draft('e')).rejects.toMatchObject({ code: 'reply_unreadable' });
    expect(models.requests).toHaveLength(1);
    const once = (await rowOf(test_db.db, run_id)).usage as Spending;

    expect(await draft(await reopen(test_db.db, run_id))).toMatchObject({ status: 'drafted' });
    expect(models.requests).toHaveLength(2);
    const twice = (await rowOf(test_db.db, run_id)).usage as Spending;
    expect(twice.input_tokens).toBe(2 * once.input_tokens);
    expect(twice.cost_usd).toBeGreaterThan(once.cost_usd!);
    expect(twice.saved).toEqual(once.saved);
  });

  test('that was answered is not asked again', async () => {
    const { deps, models } = withMinds(test_db.db, JSON.stringify(STEPS));
    const stopped = { ...deps, minds: { ...deps.minds!, planner: afterIts(deps.minds!.planner) } };
    const run_id = await newRun(test_db.db);
    await expect(draftPlanWithModel(stopped, { run_id, round: 1 }, AROUND)).rejects.toThrow('lost');
    const around = { execution: await reopen(test_db.db, run_id), cancelled: NEVER };
    expect(await draftPlanWithModel(deps, { run_id, round: 1 }, around)).toMatchObject({ status: 'drafted' });
    expect(models.requests).toHaveLength(1);
  });

  test('finds the plans that were rejected, and their verdicts, as they were', async () => {
    const verdict = { is_valid: false, confidence: 0.9, issues: ['No.'], suggestions: [] };
    const deps = depsWith(test_db.db, [ECHO], {
      planner: fakePlanner({ kind: 'plan', steps: STEPS }),
      judge: { ...fakeJudge(verdict), instant: true },
    });
    const run_id = await newRun(test_db.db);
    const rejected = { status: 'rejected', wish: null };
    expect(await draftPlan(deps, { run_id, round: 1 }, 'e')).toEqual(rejected);
    const execution = await reopen(test_db.db, run_id);
    expect(await draftPlan(deps, { run_id, round: 1 }, execution)).toEqual(rejected);
  });

  /** The planner of a worker that is lost once it has its reply. */
  function afterIts(planner: Planner): Planner {
    return {
      source: planner.source,
      draft: (request, drafting) =>
        planner.draft(request, drafting).then(() => Promise.reject(new Error('The worker is lost.'))),
    };
  }
});
