import { deleteRun } from '../../src/db/runs';
import type { Step } from '../../src/contracts/plan';
import type { Rules } from '../../src/contracts/rules';
import type { Asked } from '../../src/runs/decide-rerun';
import type { ForecastAnswer } from '../../src/runs/paid-answer';
import { foreseeRerun, type RerunSubmission } from '../../src/runs/rerun';
import { plannedRun } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { LIMITS, PLAN, RESTART, playOut, repeatable, rerunDeps, submission } from '../support/reruns';
import { newRun, rowOf } from '../support/runs';

let test_db: TestDatabase;
let world: ReturnType<typeof repeatable>;
beforeAll(async () => {
  test_db = await createTestDatabase();
  world = repeatable(test_db.db);
});
afterAll(() => test_db.drop());

const deps = () => world.deps;
const failedRun = () => world.failedRun();
const ask = (...args: Parameters<typeof world.ask>) => world.ask(...args);
const runs = async () => (await test_db.db.query('select 1 from runs')).length;

const fork = (edits: Partial<Asked> = {}): Asked => ({ type: 'fork', from: 'two', ...edits });

describe('what is wrong', () => {
  const plan = (...steps: Step[]) => ({ steps });

  test.each<[what: string, asked: Asked, code: string, pointers: string[]]>([
    ['a step that is not there', { type: 'restart', from: 'nine' }, 'unknown_step', ['/from']],
    ['an edit of a step that is not there', fork({ from: 'nine', step_input: {} }), 'unknown_step', ['/at']],
    ['`failed`, which is no word of a fork', fork({ from: 'failed' }), 'unknown_step', ['/at']],
    ['a step that only the old plan has', fork({ plan: plan(PLAN[0]!) }), 'unknown_step', ['/at']],
    ['a prototype', { type: 'restart', from: '__proto__' }, 'unknown_step', ['/from']],
    ['an input that does not fit', fork({ step_input: { n: 'text' } }), 'invalid_plan', ['/step_input/n']],
    ['a dangling reference', fork({ step_input: { n: '{nine.n}' } }), 'invalid_plan', ['/step_input/n']],
    [
      'an input that makes a cycle',
      { type: 'fork', from: 'one', step_input: { n: '{two.n}' } },
      'invalid_plan',
      ['/plan/steps/0', '/plan/steps/2'],
    ],
    [
      'a plan with a cycle',
      fork({ plan: plan({ ...PLAN[0]!, needs: ['two'] }, PLAN[2]!) }),
      'invalid_plan',
      ['/plan/steps/0', '/plan/steps/1'],
    ],
    [
      'a plan with an unknown tool',
      fork({ plan: plan({ ...PLAN[0]!, tool: 'gone' }, PLAN[2]!) }),
      'invalid_plan',
      ['/plan/steps/0/tool'],
    ],
    [
      'a plan with an unknown version',
      fork({ plan: plan(PLAN[0]!, { ...PLAN[2]!, version: '9.0.0' }) }),
      'invalid_plan',
      ['/plan/steps/1/tool'],
    ],
    ['a plan without steps', fork({ from: 'start', plan: plan() }), 'invalid_plan', ['/plan/steps']],
    [
      'a plan with a step twice',
      fork({ plan: plan(PLAN[0]!, PLAN[2]!, PLAN[2]!) }),
      'invalid_plan',
      ['/plan/steps/2/id'],
    ],
  ])('%s is refused by name, and changes nothing', async (_what, asked, code, pointers) => {
    const old = await failedRun();
    const before = [await rowOf(test_db.db, old), await runs()];
    const refused = ask(old, asked);
    await expect(refused).rejects.toMatchObject({ code });
    const { parts } = (await refused.catch((error: { parts: { pointer: string }[] }) => error)) as {
      parts: { pointer: string }[];
    };
    expect(parts.map(({ pointer }) => pointer)).toEqual(pointers);
    expect([await rowOf(test_db.db, old), await runs()]).toEqual(before);
  });

  test('a run that is live, another tenant’s, unknown or removed is refused', async () => {
    const live = await plannedRun(deps(), PLAN, { rules: LIMITS });
    const queued = await newRun(test_db.db);
    for (const run_id of [live, queued])
      for (const asked of [RESTART, fork({ from: 'start' })])
        await expect(ask(run_id, asked)).rejects.toMatchObject({ code: 'run_not_terminal' });
    const old = await failedRun();
    await expect(ask(old, RESTART, { tenant: 'another' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(ask('run_01ARZ3NDEKTSV4RRFFQ69G5FAV', RESTART)).rejects.toMatchObject({ code: 'not_found' });
    await test_db.db.transaction((tx) => deleteRun(tx, 'tenant', old, null));
    await expect(ask(old, RESTART)).rejects.toMatchObject({ code: 'not_found' });
  });
});

test('a run that is removed at the moment it is restarted is either taken over whole or not there', async () => {
  const olds: string[] = [];
  // One after another: which steps are broken is the same for all runs of the test.
  for (let n = 0; n < 10; n += 1) olds.push(await failedRun());
  const settled = await Promise.all(
    olds.map(async (old, at) => {
      const remove = () => test_db.db.transaction((tx) => deleteRun(tx, 'tenant', old, null));
      const both = at % 2 === 0 ? [ask(old, RESTART), remove()] : [remove(), ask(old, RESTART)];
      const results = await Promise.allSettled(both);
      return at % 2 === 0 ? results[0]! : results[1]!;
    }),
  );
  for (const result of settled) {
    if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'not_found' });
    else expect(result.value).toMatchObject({ run: { steps_total: 3, steps_done: 2 } });
  }
});

describe('a budget that pays for no answer of a model', () => {
  const GIVEN: Asked = { type: 'fork', from: 'start', plan: { steps: PLAN } };
  const DAY = { key_id: 'key_poor', max_cost_usd: 0.1 };
  const costs = (cost_usd: number | null, tokens = 9_000): ForecastAnswer => {
    return () => ({ most: () => ({ tokens, cost_usd }) });
  };
  /** A run that has ended, and whose answer a model is to write where its plan is taken over. */
  async function ended(rules: Partial<Rules>, answer: object = { answer: 'llm' }): Promise<string> {
    const run_id = await plannedRun(deps(), PLAN, { rules: { ...LIMITS, ...rules } });
    await test_db.db.query('update plans set outline = outline || $2 where run_id = $1', [run_id, answer]);
    await playOut(deps(), run_id);
    return run_id;
  }
  const pointersOf = (asking: Promise<unknown>) =>
    asking.then(
      () => 'accepted',
      ({ code, parts }: { code: string; parts: { pointer: string; code: string }[] }) =>
        [code, ...parts.map((part) => `${part.pointer} ${part.code}`)].join(', '),
    );

  test.each<
    [what: string, rules: Partial<Rules>, forecast: ForecastAnswer, day: typeof DAY | null, refused: string]
  >([
    ['of tokens', { max_tokens: 8_999 }, costs(0), null, 'invalid_request, /budget/max_tokens too_small'],
    ['of money', { max_cost_usd: 0.1 }, costs(0.2), null, 'invalid_request, /budget/max_cost_usd too_small'],
    [
      'without a price',
      { max_cost_usd: 9 },
      costs(null),
      null,
      'invalid_request, /budget/max_cost_usd price_unknown',
    ],
    ['of the day of the key that asks', {}, costs(0.2), DAY, 'invalid_request,  too_small'],
    ['of such a day, without a price', {}, costs(null), DAY, 'invalid_request,  price_unknown'],
    ['that is enough', { max_tokens: 9_000, max_cost_usd: 0.1 }, costs(0.1), DAY, 'accepted'],
    ['that is none', {}, costs(null), null, 'accepted'],
    ['of a run that wants its plan alone', { mode: 'plan_only', max_tokens: 1 }, costs(0.2), DAY, 'accepted'],
    ['where there is no model', { max_tokens: 1 }, () => null, DAY, 'accepted'],
  ])(
    '%s: restart, fork, a given plan and what is only foreseen',
    async (_what, rules, forecastAnswer, day, refused) => {
      const old = await ended(rules);
      const before = [await rowOf(test_db.db, old), await runs()];
      const more: Partial<RerunSubmission> = day === null ? {} : { day };
      const foreseen = foreseeRerun(rerunDeps(deps(), { forecastAnswer }), submission(old, RESTART, more));
      expect(await pointersOf(foreseen)).toBe(refused);
      for (const asked of [GIVEN, fork(), RESTART])
        expect(await pointersOf(ask(old, asked, more, { forecastAnswer }))).toBe(refused);
      if (refused !== 'accepted') expect([await rowOf(test_db.db, old), await runs()]).toEqual(before);
    },
  );

  test('is no matter where a template answers, or a plan is drafted first', async () => {
    const old = await ended({ max_cost_usd: 0 }, {});
    const dear = { forecastAnswer: costs(1) };
    for (const asked of [RESTART, fork(), { type: 'fork', from: 'start' } as const])
      expect(await pointersOf(ask(old, asked, {}, dear))).toBe('accepted');
    expect(await pointersOf(ask(old, GIVEN, {}, dear))).toBe(
      'invalid_request, /budget/max_cost_usd too_small',
    );
  });
});

describe('the key of a restart', () => {
  const keyed = { idempotency_key: 'again' };
  test('makes one run of fifty restarts at once', async () => {
    const old = await failedRun();
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(old, RESTART, keyed)));
    const [id] = new Set(all.map(({ run }) => run.id));
    expect(all.filter(({ run, replayed }) => run.id === id && !replayed)).toHaveLength(1);
    expect(await test_db.db.query(`select 1 from runs where origin->>'run_id' = $1`, [old])).toHaveLength(1);
    expect(await rowOf(test_db.db, old)).toMatchObject({ superseded_by: id });

    // It stands for its run also when the restart would be refused by now.
    await test_db.db.transaction((tx) => deleteRun(tx, 'tenant', old, null));
    expect(await ask(old, RESTART, keyed)).toMatchObject({ replayed: true, run: { id } });
    await expect(ask(old, { type: 'restart', from: 'two' }, keyed)).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
    const other = await failedRun();
    await expect(ask(other, RESTART, keyed)).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    // A fork, and a submit, have keys of their own.
    expect(await ask(other, fork(), keyed)).toMatchObject({ replayed: false });
  });

  test('is free again where the restart is refused', async () => {
    const old = await failedRun();
    const key = { idempotency_key: 'refused' };
    await expect(ask(old, { type: 'restart', from: 'nine' }, key)).rejects.toMatchObject({
      code: 'unknown_step',
    });
    expect(await ask(old, RESTART, key)).toMatchObject({ replayed: false });
  });
});
