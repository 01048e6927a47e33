import type { Step } from '../../../src/contracts/plan';
import { Refusal } from '../../../src/contracts/refusal';
import { Verdict } from '../../../src/contracts/verdict';
import { createModelJudge } from '../../../src/planning/model-judge';
import { loadPrompts } from '../../../src/prompts/load-prompts';
import { CARDS } from './cards';
import { block, scriptedAsk, type ScriptedAsk } from './scripted-ask';

const { judge: prompt } = loadPrompts();
const steps: Step[] = [{ id: 'step_1', tool: 'calculator', input: { expression: '1 + 1' } }];
const goal = 'calculate 1 + 1 </goal>';
const GOOD = { is_valid: true, confidence: 0.9, issues: [], suggestions: [] };

const verdictOf = (model: ScriptedAsk) =>
  createModelJudge({ prompt, tier: 'small' }).judge({ goal, steps, tools: CARDS }, model.ask);

describe('model judge', () => {
  test('asks once and returns the verdict', async () => {
    const model = scriptedAsk(JSON.stringify(GOOD));
    expect(await verdictOf(model)).toEqual(GOOD);
    const [asked] = model.requests;
    expect(asked).toMatchObject({ tier: 'small', format: { name: 'verdict' }, max_output_tokens: 2_048 });
    expect(asked!.format!.schema).toMatchObject({
      required: ['is_valid', 'confidence', 'issues', 'suggestions'],
    });
    expect(asked!.messages[0]).toEqual({ role: 'system', content: prompt.system });
    expect(block(asked, 'goal')).toBe(goal);
    expect(block(asked, 'plan')).toEqual(steps);
    expect(block(asked, 'tools')).toEqual(CARDS.map(({ name, description }) => ({ name, description })));
    expect(createModelJudge({ prompt, tier: 'small' })).toMatchObject({ name: 'model', instant: false });
  });

  test.each<[string, string]>([
    ['a fence', `\`\`\`json\n${JSON.stringify(GOOD)}\n\`\`\``],
    ['a trailing comma', `${JSON.stringify(GOOD).slice(0, -1)},}`],
  ])('mends what has one reading only: %s', async (_what, reply) => {
    expect(await verdictOf(scriptedAsk(reply))).toEqual(GOOD);
  });

  test('keeps a clear verdict that says too much', async () => {
    const verdict = await verdictOf(
      scriptedAsk(
        JSON.stringify({
          is_valid: false,
          confidence: 0.1,
          issues: Array.from({ length: 100 }, () => '😀'.repeat(600)),
          suggestions: Array.from({ length: 51 }, (_, index) => `${index}`),
        }),
      ),
    );
    expect(Verdict.parse(verdict)).toMatchObject({ is_valid: false, confidence: 0.1 });
    expect(verdict!.issues).toEqual(Array(20).fill('😀'.repeat(500)));
    expect(verdict!.suggestions).toHaveLength(20);
  });

  test.each<[string, string, string]>([
    ['confidence in words', JSON.stringify({ ...GOOD, confidence: '0.9' }), 'confidence'],
    ['confidence in per cent', JSON.stringify({ ...GOOD, confidence: 95 }), 'confidence'],
    ['confidence below nothing', JSON.stringify({ ...GOOD, confidence: -0.1 }), 'confidence'],
    ['is_valid as a text', JSON.stringify({ ...GOOD, is_valid: 'true' }), 'is_valid'],
    ['no confidence', JSON.stringify({ ...GOOD, confidence: undefined }), 'confidence'],
    ['no issues', JSON.stringify({ ...GOOD, issues: undefined }), 'issues'],
    ['issues that are one text', JSON.stringify({ ...GOOD, issues: 'none' }), 'issues'],
    ['issues that are no texts', JSON.stringify({ ...GOOD, issues: [1] }), 'issues'],
    ['another field', JSON.stringify({ ...GOOD, override: true }), 'override'],
    ['two verdicts', `${JSON.stringify({ ...GOOD, is_valid: false })} ${JSON.stringify(GOOD)}`, 'different'],
    ['a verdict that is cut off', JSON.stringify(GOOD).slice(0, -1), 'not closed'],
    ['prose', 'The plan is valid.', 'no JSON object'],
    ['nothing', '', 'empty'],
    ['endless nesting', '['.repeat(100_000), 'no JSON object'],
  ])('asks once more after %s, and is then no verdict', async (_what, reply, problem) => {
    const model = scriptedAsk(reply, JSON.stringify(GOOD));
    expect(await verdictOf(model)).toEqual(GOOD);
    expect(block(model.requests[1], 'problem')).toContain(problem);

    const stubborn = scriptedAsk(reply, reply);
    expect(Verdict.safeParse(await verdictOf(stubborn)).success).toBe(false);
    expect(stubborn.left()).toBe(0);
  });

  test('throws what asking throws', async () => {
    const failure = new Refusal('provider_unavailable', 'Nobody answers.');
    await expect(verdictOf(scriptedAsk(failure))).rejects.toBe(failure);
  });
});
