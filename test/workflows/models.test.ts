import { ApplicationFailure } from '@temporalio/common';
import type { Outline } from '../../src/contracts/outline';
import { eventually } from '../support/eventually';
import { Stage, closing, ends, instant, quiet, step, wishes } from '../support/story';

const outline = (plan_version: number): Outline => ({ plan_version, steps: [step('a')], answer: 'llm' });
/** A goal that only models understand. */
const byModels = {
  draftPlan: () => ({ status: 'needs_model', ...quiet }),
  draftPlanWithModel: ({ round }: { round: number }) => ({
    status: 'drafted',
    outline: outline(round),
    to_judge: true,
    judge: 'llm',
    ...quiet,
  }),
  judgePlanWithModel: () => ({ accepted: true, ...quiet }),
  writeAnswerWithModel: () => quiet,
  ...instant(),
};

describe('The story of a run that asks models', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  test('has models plan, judge and answer, each under a name an operator can read', async () => {
    const run = await stage.begin(byModels);
    await run.result();
    expect(stage.names()).toEqual([
      'draftPlan',
      'draftPlanWithModel',
      'judgePlanWithModel',
      'carryOutInstantly',
      'writeAnswerWithModel',
    ]);
    const { events } = await run.fetchHistory();
    const ids = (events ?? []).flatMap(
      ({ activityTaskScheduledEventAttributes: scheduled }) => scheduled?.activityId ?? [],
    );
    expect(ids).toEqual(['plan@1', 'judge@1', 'answer@1']);
  });

  test('has a rejected plan drawn again, by a model without asking first whether patterns can', async () => {
    let verdicts = 0;
    const run = await stage.begin({
      ...byModels,
      judgePlanWithModel: () => ({ accepted: (verdicts += 1) === 2, ...quiet }),
    });
    await run.result();
    const rounds = stage.calls
      .filter(({ name }) => name === 'draftPlanWithModel')
      .map(({ input }) => input.round);
    expect(rounds).toEqual([1, 2]);
    expect(stage.names().filter((name) => name === 'draftPlan')).toHaveLength(1);
    expect(stage.calls.at(-1)).toMatchObject({ name: 'writeAnswerWithModel', input: { plan_version: 2 } });
  });

  test('tries again what may succeed later, after the pause it is given', async () => {
    let tries = 0;
    const run = await stage.begin({
      ...byModels,
      draftPlanWithModel: (ref: { round: number }) => {
        tries += 1;
        if (tries === 3) return byModels.draftPlanWithModel(ref);
        throw ApplicationFailure.create({ type: 'model_overloaded', message: 'busy', nextRetryDelay: 10 });
      },
    });
    await run.result();
    expect(tries).toBe(3);
  });

  test('fails with the code of what cannot succeed', async () => {
    const run = await stage.begin({
      ...byModels,
      writeAnswerWithModel: () => {
        throw ApplicationFailure.nonRetryable('too dear', 'budget_exceeded');
      },
      endRun: ends,
    });
    expect(await closing(run.result())).toMatchObject({ type: 'budget_exceeded' });
    expect(stage.calls.at(-1)!.input).toMatchObject({
      ending: { status: 'failed', failure: { code: 'budget_exceeded', message: 'too dear' } },
    });
  });

  test.each(['draftPlanWithModel', 'judgePlanWithModel', 'writeAnswerWithModel'] as const)(
    'is cancelled while %s waits for a model, without waiting for it',
    async (name) => {
      let asked = false;
      let release!: () => void;
      const never = new Promise<void>((resolve) => (release = resolve));
      const run = await stage.begin({
        ...byModels,
        [name]: async () => {
          asked = true;
          await never;
          return { accepted: false, ...quiet };
        },
        readWishes: () => ({ wish: 'cancel' }),
        endRun: ends,
      });
      try {
        await eventually(() => asked);
        await stage.look(run);
        expect(await closing(run.result())).toBeNull();
        expect(stage.calls.at(-1)).toMatchObject({
          name: 'endRun',
          input: { ending: { status: 'cancelled' } },
        });
      } finally {
        release();
      }
    },
  );

  test('ends in time while it waits for a model', async () => {
    let release!: () => void;
    const never = new Promise<void>((resolve) => (release = resolve));
    const run = await stage.begin(
      { ...byModels, draftPlanWithModel: () => never, readWishes: () => wishes(), endRun: ends },
      { deadline_in_ms: 300 },
    );
    expect(await closing(run.result())).toMatchObject({ type: 'timed_out' });
    release();
  });
});
