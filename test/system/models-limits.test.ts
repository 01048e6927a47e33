import type { RefusedPart } from '../../src/contracts/refusal';
import type { StepView } from '../../src/contracts/round-views';
import { asked, expectWhole, GOAL, modelsAt, SAYS } from '../support/model-runs';
import { scriptedProvider, type Answer, type ScriptedProvider } from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';

/** USD for a million tokens. */
const PRICES = {
  date: '2026-01-01',
  models: {
    'small-1': { input: 1, cached_input: 0.5, output: 2 },
    'medium-1': { input: 10, cached_input: 5, output: 20 },
  },
};

let system: System;
let provider: ScriptedProvider;
beforeAll(async () => {
  provider = await scriptedProvider();
  system = await startSystem({
    settings: {
      // No model above the medium one: nobody else can be asked for a plan.
      LONGHAUL_MODELS: modelsAt(provider.url, 'small', 'medium'),
      LONGHAUL_PRICES: JSON.stringify(PRICES),
    },
  });
});
beforeEach(() => void provider.requests.splice(0));
afterAll(async () => {
  await system.stop();
  await provider.close();
});

/** Submits a run and waits for its end. */
async function ended(budget: { max_tokens?: number; max_cost_usd?: number } = {}) {
  const { id } = await system.submit({ goal: GOAL, budget });
  const run = await system.ended(id);
  const events = await system.events(id);
  expectWhole(events, run.status === 'completed' ? 'run.completed' : 'run.failed');
  return { id, run, events };
}

describe('What a provider refuses, or a model says badly', () => {
  const saying = (text: string): Answer => ({ text });
  const limited: Answer = {
    status: 429,
    headers: { 'retry-after-ms': '20' },
    body: { error: { message: 'slow down' } },
  };
  const WRONG_KEY: Answer = {
    status: 401,
    body: { error: { message: 'Incorrect API key', code: 'invalid_api_key' } },
  };

  test('a rate limit is waited out as the provider says, and the run completes', async () => {
    provider.answer(limited, limited, saying(SAYS.plan), saying(SAYS.judge), saying(SAYS.answer));
    const { run } = await ended();
    expect(run).toMatchObject({ status: 'completed', answer: SAYS.answer, degraded: false });
    expect(asked(provider, GOAL)).toEqual({ plan: 3, judge: 1, answer: 1 });
  });

  test.each<[string, Answer[], string]>([
    ['a wrong key', [WRONG_KEY], 'model_key_refused'],
    ['a reply that is cut off', [{ text: SAYS.plan, finish: 'length' }], 'reply_truncated'],
    ['two replies that are no plan', [saying('No.'), saying('{"steps": "none"}')], 'reply_unreadable'],
  ])('%s ends the run and is not asked for again', async (_what, answers, code) => {
    provider.answer(...answers);
    const { run } = await ended();
    expect(run).toMatchObject({ status: 'failed', error: { code } });
    expect(asked(provider, GOAL)).toEqual({ plan: answers.length, judge: 0, answer: 0 });
  });

  test('a model is shown its unreadable reply, and what is wrong with it', async () => {
    const replies = ['{"steps": "none"}', SAYS.plan, SAYS.judge, SAYS.answer];
    provider.answer(...replies.map(saying));
    const { run, events } = await ended();
    expect(run).toMatchObject({ status: 'completed' });
    const [, again] = provider.requests;
    expect(again!.body.messages.slice(-2)).toMatchObject([
      { role: 'assistant', content: replies[0] },
      { role: 'user', content: expect.stringContaining('steps: must be a list of steps.') as string },
    ]);
    // Both were bought.
    expect(run.usage).toMatchObject({ input_tokens: 40, output_tokens: 20 });
    expect(events.filter(({ type }) => type === 'plan.started')).toHaveLength(2);
  });
});

describe('The budget of a run', () => {
  test.each([{ max_tokens: 500 }, { max_cost_usd: 0.01 }])(
    '%j that the first question might exceed lets none be asked',
    async (budget) => {
      const { run } = await ended(budget);
      expect(run).toMatchObject({ status: 'failed', error: { code: 'budget_exceeded' } });
      expect(provider.requests).toEqual([]);
    },
  );

  describe('for a given plan', () => {
    const plan = { steps: [{ id: 'a', tool: 'todo.add', input: { text: 'unpaid' } }] };
    const send = (more: object) =>
      system.request('/v1/runs', { method: 'POST', body: JSON.stringify({ goal: GOAL, plan, ...more }) });

    test.each([
      [{ max_cost_usd: 0 }, ['/budget/max_cost_usd']],
      [{ max_cost_usd: 0.0001, max_tokens: 1_000_000 }, ['/budget/max_cost_usd']],
      [{ max_cost_usd: 0, max_tokens: 1 }, ['/budget/max_tokens', '/budget/max_cost_usd']],
    ])('of %j is refused before anything is done: no answer could be bought', async (budget, pointers) => {
      const reply = await send({ budget });
      const { code, errors } = (await reply.json()) as { code: string; errors: RefusedPart[] };
      expect({ status: reply.status, code }).toEqual({ status: 400, code: 'invalid_request' });
      expect(errors.map(({ pointer }) => pointer)).toEqual(pointers);
      expect(await system.database.db.query(`select 1 from todos where text = 'unpaid'`)).toEqual([]);
    });

    test('is no matter where no answer is wanted, and buys one where it is enough', async () => {
      expect((await send({ budget: { max_cost_usd: 0 }, mode: 'plan_only' })).status).toBe(202);
      provider.answer({ text: SAYS.answer });
      const { id } = (await (await send({ budget: { max_cost_usd: 1 } })).json()) as { id: string };
      expect(await system.ended(id)).toMatchObject({ status: 'completed', answer: SAYS.answer });
    });
  });

  test('that is used up before the answer leaves what the steps gave', async () => {
    // The answer may have 8,192 tokens, and 5,000 are left.
    provider.answer(
      { text: SAYS.plan, usage: { input_tokens: 25_000, output_tokens: 0 } },
      { text: SAYS.judge, usage: { input_tokens: 10_000, output_tokens: 0 } },
    );
    const { id, run, events } = await ended({ max_tokens: 40_000 });
    expect(run).toMatchObject({
      status: 'failed',
      error: { code: 'budget_exceeded' },
      usage: { input_tokens: 35_000 },
    });
    expect(asked(provider, GOAL)).toEqual({ plan: 1, judge: 1, answer: 0 });
    expect(events.filter(({ type }) => type === 'run.budget_warning').map(({ data }) => data)).toEqual([
      { kind: 'max_tokens', used: 35_000, limit: 40_000 },
    ]);
    const { data } = (await (await system.request(`/v1/runs/${id}/steps`)).json()) as { data: StepView[] };
    expect(data).toMatchObject([
      { id: 'step_1', status: 'completed', output: { value: 144 } },
      { id: 'step_2', status: 'completed', output: { text: 'buy 144 apples' } },
    ]);
  });

  test('in money is kept by the prices of the models, which the run says it cost', async () => {
    provider.answer(
      { text: SAYS.plan, usage: { input_tokens: 2_000, output_tokens: 100, cached_tokens: 1_000 } },
      { text: SAYS.judge, usage: { input_tokens: 1_000, output_tokens: 50 } },
      { text: SAYS.answer, usage: { input_tokens: 500, output_tokens: 20 } },
    );
    const { run, events } = await ended({ max_cost_usd: 1 });
    // 1,000 × 10 + 1,000 × 5 + 100 × 20 millionths for the plan, 1,000 × 1 + 50 × 2 for the verdict, 500 × 10 + 20 × 20 for the answer
    expect(run).toMatchObject({ status: 'completed', budget: { max_cost_usd: 1 } });
    expect(run.usage).toMatchObject({
      cost_usd: 0.0235,
      by_model: [
        { model: 'medium-1', cost_usd: 0.0224 },
        { model: 'small-1', cost_usd: 0.0011 },
      ],
    });
    const costs = events.flatMap(({ type, data }) =>
      type === 'run.usage' ? [(data as { delta: { cost_usd: number } }).delta.cost_usd] : [],
    );
    expect(costs).toEqual([0.017, 0.0011, 0.0054]);
  });
});
