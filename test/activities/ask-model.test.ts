import { askFor } from '../../src/activities/ask-model';
import { Interrupted } from '../../src/contracts/interrupted';
import { Refusal } from '../../src/contracts/refusal';
import type { Rules } from '../../src/contracts/rules';
import type { Models, Pricing } from '../../src/llm/model';
import { NEVER } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { asked, fakeModels, NO_PRICES, PRICES, question } from '../support/fake-models';
import { append } from '../../src/events/append';
import { COMPLETED, RULES, eventsOf, gate, newRun, reopen, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const run = (rules: Partial<Rules> = {}) => newRun(test_db.db, { rules: { ...RULES, ...rules } });
const asker = (run_id: string, models: Models, prices: Pricing = PRICES, round = 1, execution = 'e') =>
  askFor({ db: test_db.db, models, prices }, { run_id, execution, purpose: 'plan', round }, NEVER);
const calls = (run_id: string) =>
  test_db.db.query('select * from model_calls where run_id = $1 order by created_at', [run_id]);
const spentToday = async (key_id: string) =>
  Number(
    (await test_db.db.query('select spent_usd from key_spending where key_id = $1', [key_id]))[0]
      ?.spent_usd ?? 0,
  );
const usageEvents = async (run_id: string) =>
  (await eventsOf(test_db.db, run_id)).filter(({ type }) => type === 'run.usage');
const busy = (retry_after_ms?: number) =>
  new Refusal('model_overloaded', 'too busy', [], retry_after_ms === undefined ? {} : { retry_after_ms });

/** A try that is about to send its request, and waits. */
async function olderTry(run_id: string) {
  const { opened, open } = gate();
  const slow: Models = {
    async call(_request, { before }) {
      await opened;
      await before({ name: 'e', model: 'm' } as never);
      throw new Error('was asked');
    },
  };
  const older = asker(run_id, slow)(question('x'));
  older.catch(() => undefined);
  for (let rows = 0; rows === 0;) rows = (await calls(run_id)).length;
  return { older, open };
}

describe('asking a model', () => {
  test('buys a reply once, keeps it before it is used, and tells what it cost', async () => {
    const models = fakeModels('four');
    const run_id = await run();
    expect(await asked(asker(run_id, models), '2 + 2')).toEqual({ text: 'four', pieces: ['four'] });
    expect(await calls(run_id)).toMatchObject([
      { calls: 1, model: 'fake-1', cost_usd: '0.00100000', reused: 0 },
    ]);
    const total = {
      input_tokens: 100,
      output_tokens: 10,
      cached_tokens: 0,
      cost_usd: 0.001,
      saved: { calls: 0, tokens: 0 },
      by_model: [
        { model: 'fake-1', input_tokens: 100, output_tokens: 10, cached_tokens: 0, cost_usd: 0.001 },
      ],
    };
    expect(await usageEvents(run_id)).toMatchObject([
      { data: { delta: { purpose: 'plan', round: 1, cost_usd: 0.001 }, total } },
    ]);
    expect((await rowOf(test_db.db, run_id)).usage).toEqual(total);
  });

  test('counts what was paid for a reply that is of no use, also against the budget', async () => {
    const cut = (usage: object | null) =>
      new Refusal('reply_truncated', 'cut off', [], { bought: { model: 'fake-1', usage } });
    const run_id = await run({ max_tokens: 1_150 });
    const models = fakeModels(cut({ input_tokens: 100, output_tokens: 50, cached_tokens: 0 }), cut(null));
    await expect(asked(asker(run_id, models), 'one')).rejects.toMatchObject({ code: 'reply_truncated' });
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({
      input_tokens: 100,
      output_tokens: 50,
      cost_usd: 0.001,
    });
    // Where the provider does not count, all that it may have been.
    await expect(asked(asker(run_id, models), 'two')).rejects.toMatchObject({ code: 'reply_truncated' });
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({ output_tokens: 150, cost_usd: 0.002 });
    await expect(asked(asker(run_id, models), 'three')).rejects.toMatchObject({ code: 'budget_exceeded' });
  });

  test('gives a repetition what is kept, as one piece, and counts what was saved', async () => {
    const models = fakeModels('a reply of some length');
    const run_id = await run();
    await asked(asker(run_id, models), 'question');
    expect(await asked(asker(run_id, models), 'question')).toEqual({
      text: 'a reply of some length',
      pieces: ['a reply of some length'],
    });
    expect(models.requests).toHaveLength(1);
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({
      input_tokens: 100,
      saved: { calls: 1, tokens: 110 },
    });
    expect(await usageEvents(run_id)).toHaveLength(1);
  });

  test('buys another question, and the same one in another round', async () => {
    const models = fakeModels('one', 'two', 'three');
    const run_id = await run();
    await asked(asker(run_id, models), 'first');
    await asked(asker(run_id, models), 'second');
    await asked(asker(run_id, models, PRICES, 2), 'first');
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({ input_tokens: 300, cost_usd: 0.003 });
    expect(models.left()).toBe(0);
  });

  test('counts bytes where the provider does not count tokens', async () => {
    const run_id = await run();
    const models: Models = {
      async call(_request, { before, after }) {
        await before({ name: 'e', model: 'm' } as never);
        const reply = { text: 'ä', model: 'm', endpoint: 'e', usage: null };
        await after(reply);
        return reply;
      },
    };
    await asker(run_id, models)(question('hello'));
    const input_tokens = Buffer.byteLength(JSON.stringify([[{ role: 'user', content: 'hello' }], null]));
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({ input_tokens, output_tokens: 2 });
  });

  test('asks to be tried again after the delay that the provider names, else after pauses that grow', async () => {
    const run_id = await run();
    const models = fakeModels(busy(7_000), busy(), busy(), 'at last');
    const ask = asker(run_id, models);
    const delays: unknown[] = [];
    for (let tries = 0; tries < 3; tries += 1) {
      const error = (await ask(question('x')).catch((thrown: unknown) => thrown)) as Refusal;
      expect(error.code).toBe('model_overloaded');
      delays.push(error.more.retry_after_ms);
    }
    expect(delays).toEqual([7_000, 2_000, 4_000]);
    expect((await asked(ask, 'x')).text).toBe('at last');
    expect(await calls(run_id)).toMatchObject([{ calls: 4, fence: 4 }]);
  });

  test('sends five requests at most, and a repetition finds that it was given up', async () => {
    const run_id = await run();
    const models = fakeModels(busy(), busy(), busy(), busy(), busy());
    const ask = asker(run_id, models);
    for (let tries = 0; tries < 4; tries += 1)
      await expect(ask(question('x'))).rejects.toMatchObject({ code: 'model_overloaded' });
    await expect(ask(question('x'))).rejects.toMatchObject({
      code: 'provider_unavailable',
      message: 'too busy',
    });
    await expect(ask(question('x'))).rejects.toMatchObject({ code: 'provider_unavailable' });
    expect(models.requests).toHaveLength(5);
    expect(await calls(run_id)).toMatchObject([{ calls: 5, reserved_tokens: '0', reserved_usd: null }]);
  });

  test('counts a request before it is sent: workers that die in it use up the five too', async () => {
    const run_id = await run();
    for (let tries = 0; tries < 5; tries += 1) {
      const dies = fakeModels(new Error('killed'));
      await expect(asker(run_id, dies)(question('x'))).rejects.toThrow('killed');
    }
    const sixth = fakeModels('never asked');
    await expect(asker(run_id, sixth)(question('x'))).rejects.toMatchObject({ code: 'provider_unavailable' });
    expect(sixth.requests).toHaveLength(0);
  });

  test('begins anew in the next attempt of the run', async () => {
    const run_id = await run();
    await expect(
      asker(run_id, fakeModels(new Refusal('model_unknown', 'no such')))(question('x')),
    ).rejects.toMatchObject({
      code: 'model_unknown',
    });
    await expect(asker(run_id, fakeModels('unasked'))(question('x'))).rejects.toMatchObject({
      code: 'model_unknown',
    });
    const execution = await reopen(test_db.db, run_id);
    expect((await asked(asker(run_id, fakeModels('now'), PRICES, 1, execution), 'x')).text).toBe('now');
  });

  test('lets no request of an older try out once a later one has begun: it gets the reply of that one', async () => {
    const run_id = await run();
    const { older, open } = await olderTry(run_id);
    await asked(asker(run_id, fakeModels('newer')), 'x');
    open();
    expect((await older).text).toBe('newer');
    expect(await calls(run_id)).toMatchObject([{ calls: 1, failure: null }]);
  });

  test('tells an older try that it is superseded while a later one asks, so that nobody stands in for the model', async () => {
    const run_id = await run();
    const { older, open } = await olderTry(run_id);
    const later = gate();
    const newer = asked(
      asker(
        run_id,
        fakeModels(() => later.opened.then(() => 'newer')),
      ),
      'x',
    );
    for (let counted = 0; counted === 0;) counted = Number((await calls(run_id))[0]?.calls ?? 0);
    open();
    await expect(older).rejects.toMatchObject({ code: 'superseded' });
    later.open();
    expect((await newer).text).toBe('newer');
  });

  test('takes a reply that came after the call was given up', async () => {
    const run_id = await run();
    const late = gate();
    const older = asker(
      run_id,
      fakeModels(() => late.opened.then(() => 'late')),
    )(question('x'));
    for (let counted = 0; counted === 0;) counted = Number((await calls(run_id))[0]?.calls ?? 0);
    const declined = fakeModels(new Refusal('model_declined', 'no'));
    await expect(asker(run_id, declined)(question('x'))).rejects.toMatchObject({ code: 'model_declined' });
    late.open();
    await older;
    expect((await asked(asker(run_id, fakeModels()), 'x')).text).toBe('late');
  });

  test('counts what a model costs that answers under another name', async () => {
    const run_id = await run({ max_cost_usd: 1 });
    const prices: Pricing = { ...PRICES, costOf: (model) => (model === 'known' ? 0.001 : null) };
    const models: Models = {
      async call(_request, { before, after }) {
        await before({ name: 'e', model: 'known' } as never);
        const reply = { text: 'ok', model: 'vendor/known:latest\u0000', endpoint: 'e', usage: null };
        await after(reply);
        return reply;
      },
    };
    await asker(run_id, models, prices)(question('x'));
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({
      cost_usd: 0.001,
      by_model: [{ model: 'vendor/known:latest\ufffd' }],
    });
  });

  test('counts a reply that came second too, and uses the first', async () => {
    const run_id = await run();
    let open!: (text: string) => void;
    const late = new Promise<string>((resolve) => (open = resolve));
    const older = asker(
      run_id,
      fakeModels(() => late),
    )(question('x'));
    for (let counted = 0; counted === 0;) counted = Number((await calls(run_id))[0]?.calls ?? 0);
    await asked(asker(run_id, fakeModels('first')), 'x');
    open('second');
    expect((await older).text).toBe('first');
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({ input_tokens: 200, cost_usd: 0.002 });
  });

  test('keeps what a reply cost also when its run has ended meanwhile', async () => {
    const run_id = await run();
    const models = fakeModels(async () => {
      await append(test_db.db, run_id, { attempt: 1, events: [COMPLETED], change: { status: 'completed' } });
      return 'too late';
    });
    await asked(asker(run_id, models), 'x');
    expect((await rowOf(test_db.db, run_id)).usage).toMatchObject({ input_tokens: 100 });
    await expect(asked(asker(run_id, models), 'y')).rejects.toMatchObject({ code: 'run_over' });
  });

  test('ends by the signal, and holds nothing against the try after it', async () => {
    const run_id = await run();
    const stop = new AbortController();
    const deps = { db: test_db.db, models: fakeModels('waits'), prices: PRICES };
    const asking = askFor(
      deps,
      { run_id, execution: 'e', purpose: 'plan', round: 1 },
      stop.signal,
    )(question('x'));
    for (let counted = 0; counted === 0;) counted = Number((await calls(run_id))[0]?.calls ?? 0);
    stop.abort();
    await expect(asking).rejects.toBeInstanceOf(Interrupted);
    expect((await asked(asker(run_id, fakeModels('again')), 'x')).text).toBe('again');
  });

  test('stores what Postgres refuses as replacement characters', async () => {
    const run_id = await run();
    const reply = await asked(asker(run_id, fakeModels('a\u0000b\ud800c')), 'x\u0000y\ud800');
    expect(reply.text).toBe('a\ufffdb\ufffdc');
  });
});

describe('budgets of a run', () => {
  test('hold the worst case back, and refuse what does not fit', async () => {
    const run_id = await run({ max_tokens: 1_100 });
    const models = fakeModels('one');
    await asked(asker(run_id, models), 'first'); // held back 1,000, spent 110
    await expect(asked(asker(run_id, models), 'second')).rejects.toMatchObject({ code: 'budget_exceeded' });
    expect(await calls(run_id)).toHaveLength(1);
    expect(models.requests).toHaveLength(1);
  });

  test('take over what an earlier try has held back', async () => {
    const run_id = await run({ max_tokens: 1_500 });
    const models = fakeModels(busy(), 'fits');
    await expect(asker(run_id, models)(question('x'))).rejects.toMatchObject({ code: 'model_overloaded' });
    expect((await asked(asker(run_id, models), 'x')).text).toBe('fits');
  });

  test('of money refuse a model without a price, others do not', async () => {
    const paid = await run({ max_cost_usd: 1 });
    await expect(asked(asker(paid, fakeModels('x'), NO_PRICES), 'x')).rejects.toMatchObject({
      code: 'price_unknown',
    });
    const free = await run();
    await asked(asker(free, fakeModels('x'), NO_PRICES), 'x');
    expect((await rowOf(test_db.db, free)).usage).toMatchObject({ cost_usd: null, input_tokens: 100 });
  });

  test('warn once, at four fifths', async () => {
    const dear = await run({ max_cost_usd: 0.0115 });
    const prices: Pricing = { worstCase: () => ({ tokens: 1, cost_usd: 0.001 }), costOf: () => 0.0031 };
    const more = fakeModels('1', '2', '3');
    for (const text of ['1', '2', '3']) await asked(asker(dear, more, prices), text);
    expect(
      (await eventsOf(test_db.db, dear)).filter(({ type }) => type === 'run.budget_warning'),
    ).toMatchObject([{ data: { kind: 'max_cost_usd', used: 0.0093, limit: 0.0115 } }]);
  });

  test('of zero money let only free models be asked', async () => {
    const run_id = await run({ max_cost_usd: 0 });
    await expect(asked(asker(run_id, fakeModels('x')), 'x')).rejects.toMatchObject({
      code: 'budget_exceeded',
    });
    const free: Pricing = { worstCase: () => ({ tokens: 1, cost_usd: 0 }), costOf: () => 0 };
    expect((await asked(asker(run_id, fakeModels('free'), free), 'y')).text).toBe('free');
    // Nothing was spent of it, so nothing nears its end.
    expect((await eventsOf(test_db.db, run_id)).map(({ type }) => type)).not.toContain('run.budget_warning');
  });
});

describe('budgets in money', () => {
  test('may be used up to the last cent: sums do not drift', async () => {
    const run_id = await run({ max_cost_usd: 0.3 });
    const prices: Pricing = { worstCase: () => ({ tokens: 1, cost_usd: 0.2 }), costOf: () => 0.1 };
    const models = fakeModels('one', 'two');
    for (const text of ['1', '2']) await asked(asker(run_id, models, prices), text);
    await expect(asked(asker(run_id, models, prices), '3')).rejects.toMatchObject({
      code: 'budget_exceeded',
    });
  });
});

describe('the budget of a key and day', () => {
  test('is never overspent by 50 runs at once', async () => {
    const day = { key_id: 'key_many', max_cost_usd: 0.1 }; // ten worst cases
    const runs = await Promise.all(Array.from({ length: 50 }, () => run({ day })));
    let open!: (text: string) => void;
    const gate = new Promise<string>((resolve) => (open = resolve));
    const models = fakeModels(...runs.map(() => () => gate));
    const asking = runs.map((run_id) =>
      asked(asker(run_id, models), 'x').then(
        () => 'bought',
        (error: Refusal) => error.code,
      ),
    );
    let refused = 0;
    for (const one of asking) void one.then((end) => (refused += end === 'budget_exceeded' ? 1 : 0));
    await eventually(() => refused === 40 && models.requests.length === 10);
    expect(await spentToday('key_many')).toBeCloseTo(0.1, 8);
    open('done');
    expect((await Promise.all(asking)).filter((one) => one === 'bought')).toHaveLength(10);
    expect(await spentToday('key_many')).toBeCloseTo(0.01, 8);
  });

  test('gets back what a call that was given up held', async () => {
    const day = { key_id: 'key_back', max_cost_usd: 1 };
    const run_id = await run({ day });
    const models = fakeModels(new Refusal('model_declined', 'no'));
    await expect(asked(asker(run_id, models), 'x')).rejects.toMatchObject({ code: 'model_declined' });
    expect(await spentToday('key_back')).toBe(0);
  });
});
