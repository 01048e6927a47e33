import { scriptedProvider, type ScriptedProvider } from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';

const GOAL = 'How many apples do I get for 84 euros at 7 euros a dozen? Note the number for the market.';
const PLAN = {
  steps: [
    { id: 'step_1', tool: 'calculator', title: 'Apples', input: { expression: '84 / 7 * 12' } },
    { id: 'step_2', tool: 'todo.add', title: 'Note', input: { text: 'buy {step_1.value} apples' } },
  ],
};
const GOOD = { is_valid: true, confidence: 0.95, issues: [], suggestions: [] };
const BAD = { is_valid: false, confidence: 0.9, issues: ['It notes nothing.'], suggestions: ['Add a todo.'] };

describe('A run that asks models', () => {
  let system: System;
  let provider: ScriptedProvider;
  beforeAll(async () => {
    provider = await scriptedProvider();
    system = await startSystem({
      settings: {
        LONGHAUL_MODELS: JSON.stringify({
          small: [{ model: 'small-1', base_url: provider.url }],
          medium: [{ model: 'medium-1', base_url: provider.url }],
        }),
      },
    });
  });
  afterAll(async () => {
    await system.stop();
    await provider.close();
  });

  test('plans, has the plan rejected, redraws it, carries it out and streams the answer', async () => {
    provider.answer(
      { text: JSON.stringify({ steps: PLAN.steps.slice(0, 1) }), chunk_bytes: 5 },
      { text: JSON.stringify(BAD) },
      { text: JSON.stringify(PLAN), chunk_bytes: 5 },
      { text: JSON.stringify(GOOD) },
      { text: 'You get 144 apples [step_1]; it is noted [step_2].' },
    );
    const { id } = await system.submit({ goal: GOAL });
    const run = await system.ended(id);
    expect(run).toMatchObject({
      status: 'completed',
      answer: 'You get 144 apples [step_1]; it is noted [step_2].',
    });
  });
});
