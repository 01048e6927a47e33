import { askFor } from '../../src/activities/ask-model';
import { endRun } from '../../src/runs/end-run';
import { Interrupted } from '../../src/contracts/interrupted';
import { Refusal } from '../../src/contracts/refusal';
import type { Rules } from '../../src/contracts/rules';
import type { Models, Pricing } from '../../src/llm/model';
import { cancelRun } from '../../src/runs/cancel';
import { NEVER } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { asked, fakeModels, PRICES, question } from '../support/fake-models';
import { fakeWorkflows } from '../support/fakes';
import { RULES, gate, newRun } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const run = (rules: Partial<Rules> = {}) => newRun(test_db.db, { rules: { ...RULES, ...rules } });
const asker = (run_id: string, models: Models, prices: Pricing = PRICES, signal = NEVER) =>
  askFor({ db: test_db.db, models, prices }, { run_id, execution: 'e', purpose: 'plan', round: 1 }, signal);
const spentToday = async (key_id: string) =>
  Number(
    (await test_db.db.query('select spent_usd from key_spending where key_id = $1', [key_id]))[0]!.spent_usd,
  );
const cancelled = (run_id: string) =>
  endRun(test_db.db, { run_id, ending: { status: 'cancelled', by: 'wish' } }, 'e');

describe('what a run holds back from the budget of a day', () => {
  test('is free again when the run ends while a call waits for its next try', async () => {
    const run_id = await run({ day: { key_id: 'key_next', max_cost_usd: 1 } });
    const busy = fakeModels(new Refusal('model_overloaded', 'busy'));
    await expect(asked(asker(run_id, busy), 'x')).rejects.toMatchObject({ code: 'model_overloaded' });
    expect(await spentToday('key_next')).toBe(0.01);
    await cancelled(run_id);
    expect(await spentToday('key_next')).toBe(0);
  });

  test('is free again when the run ends while a call waits for its turn, and none is sent after that', async () => {
    const run_id = await run({ day: { key_id: 'key_turn', max_cost_usd: 1 } });
    const full: Models = { call: () => Promise.reject(new Refusal('model_rate_limited', 'full')) };
    await expect(asker(run_id, full)(question('x'))).rejects.toMatchObject({ code: 'model_rate_limited' });
    const late: Models = {
      async call(_request, { before }) {
        await cancelled(run_id);
        await before({ name: 'e', model: 'm' } as never);
        throw new Error('was asked');
      },
    };
    await expect(asker(run_id, late)(question('x'))).rejects.toBeInstanceOf(Refusal);
    expect(await spentToday('key_turn')).toBe(0);
  });

  test('stays held where the call was cut off: it may have cost that much', async () => {
    const run_id = await run({ day: { key_id: 'key_cut', max_cost_usd: 1 } });
    const stop = new AbortController();
    const models = fakeModels('waits');
    const asking = asker(run_id, models, PRICES, stop.signal)(question('x'));
    asking.catch(() => undefined);
    await eventually(() => models.requests.length === 1);
    stop.abort();
    await expect(asking).rejects.toBeInstanceOf(Interrupted);
    await cancelled(run_id);
    expect(await spentToday('key_cut')).toBe(0.01);
  });

  test('counts a reply today that comes when nothing is held for it any more, on a day with no other', async () => {
    const run_id = await run({ day: { key_id: 'key_late', max_cost_usd: 1 } });
    const { opened, open } = gate();
    const slow = fakeModels(() => opened.then(() => 'late'));
    const older = asked(asker(run_id, slow), 'x');
    await eventually(() => slow.requests.length === 1);
    const declined = fakeModels(new Refusal('model_declined', 'no'));
    await expect(asked(asker(run_id, declined), 'x')).rejects.toMatchObject({ code: 'model_declined' });
    await test_db.db.query(`delete from key_spending where key_id = 'key_late'`); // as after midnight
    open();
    await older;
    expect(await spentToday('key_late')).toBe(0.001);
  });

  test('takes what a provider says of tokens, however much, and the largest budget there is', async () => {
    const day = { key_id: 'key_large', max_cost_usd: 1_000_000 };
    const run_id = await run({ day });
    const prices: Pricing = { worstCase: () => ({ tokens: 1, cost_usd: 1_000_000 }), costOf: () => 9e15 };
    const usage = { input_tokens: 9e15, output_tokens: 9e15, cached_tokens: 0 };
    const models: Models = {
      async call(_request, { before, after }) {
        await before({ name: 'e', model: 'm' } as never);
        const reply = { text: 'ok', model: 'm', endpoint: 'e', usage };
        await after(reply);
        return reply;
      },
    };
    expect((await asker(run_id, models, prices)(question('x'))).text).toBe('ok');
    expect(await spentToday('key_large')).toBe(9e15);
  });

  test('is released and spent in one order of locks: runs that are cancelled meanwhile end too', async () => {
    const day = { key_id: 'key_cancel', max_cost_usd: 1 };
    const runs = await Promise.all(Array.from({ length: 50 }, () => run({ day })));
    await test_db.db.query(`update runs set status = 'running' where id = any($1)`, [runs]);
    const models = fakeModels(...runs.map(() => 'ok'));
    const asking = runs.map((run_id) =>
      asked(asker(run_id, models), 'x').catch((error: unknown) => (error as Refusal).code),
    );
    await eventually(() => models.requests.length > 0);
    const wishes = runs.map((run_id) =>
      cancelRun(
        { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: () => undefined },
        { tenant: 'tenant', run_id, reason: null, actor: 'key_1' },
      ),
    );
    const ends = runs.map(cancelled);
    await Promise.all([...wishes, ...ends]);
    const said = await Promise.all(asking);
    // Nobody is told of a deadlock: the run is over, or nothing is held back for its call any more.
    const refused = said.filter((one) => typeof one === 'string');
    expect(refused.filter((one) => !['run_over', 'provider_unavailable'].includes(one))).toEqual([]);
    const bought = said.filter((one) => typeof one !== 'string').length;
    expect(await spentToday('key_cancel')).toBeCloseTo(bought * 0.001, 8);
  });
});
