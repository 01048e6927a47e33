import type { OutlineStep } from '../../src/contracts/outline';
import { Stage, completed, instant, quiet, step } from '../support/story';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

/** A run that was stored with its plan. */
const stored = (...steps: OutlineStep[]) => ({
  draftPlan: () => ({
    status: 'drafted',
    outline: { plan_version: 1, steps },
    to_judge: false,
    ...quiet,
  }),
  writeAnswer: () => quiet,
});
const used = () =>
  stage.calls.filter(({ name }) => name === 'useTool').map(({ input }) => input['step_id'] as string);

describe('The story of a restarted run', () => {
  test('carries out what is not taken over, without a planner and a judge, and answers', async () => {
    const slow = { lane: 'tools' } as const;
    const run = await stage.begin({
      ...stored(
        step('a', { ...slow, reused: 'completed' }),
        step('b', { ...slow, needs: ['a'] }),
        step('c', { ...slow, needs: ['a'], reused: 'skipped' }),
        step('d', { ...slow, needs: ['b', 'c'], join: 'any' }),
      ),
      useTool: completed,
    });
    await run.result();
    expect(used()).toEqual(['b', 'd']);
    expect(stage.names()).toEqual(['draftPlan', 'useTool', 'useTool', 'writeAnswer']);
  });

  test('tells instant work what is taken over', async () => {
    const steps = [step('a', { reused: 'completed' }), step('b', { needs: ['a'] })];
    const run = await stage.begin({ ...stored(...steps), ...instant() });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'carryOutInstantly', 'writeAnswer']);
    expect(stage.calls[1]!.input).toMatchObject({ ended: [['a', 'completed']] });
  });

  test('goes straight to the answer where everything is taken over', async () => {
    const run = await stage.begin(
      stored(step('a', { reused: 'completed' }), step('b', { reused: 'skipped' })),
    );
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'writeAnswer']);
  });
});
