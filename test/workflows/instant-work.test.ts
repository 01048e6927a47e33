import { ApplicationFailure } from '@temporalio/common';
import type { Chain } from '../../src/activities';
import type { StepRef } from '../../src/db/steps';
import { eventually } from '../support/eventually';
import { Stage, closing, completed, drafted, ends, instant, step } from '../support/story';

describe('Instant work in the story of a run', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  test('does not answer again what instant work went on to answer', async () => {
    const run = await stage.begin({
      ...drafted(step('a')),
      carryOutInstantly: () => ({ ended: [completed({ step_id: 'a' })], again: null, answered: true }),
    });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'judgePlan', 'carryOutInstantly']);
  });

  test('goes on with instant work for every slow step that ends, also while other instant work is under way', async () => {
    let together = 0;
    const run = await stage.begin({
      ...drafted(
        ...['a', 'b'].map((id) => step(id, { lane: 'tools' })),
        ...['a', 'b'].map((id) => step(`after_${id}`, { needs: [id] })),
        step('last', { needs: ['after_a', 'after_b'] }),
      ),
      useTool: completed,
      ...instant(async (ref) => {
        if (ref.step_id !== 'last') {
          together += 1;
          await eventually(() => together === 2);
        }
        return completed(ref);
      }),
    });
    await run.result();
    const chains = stage.calls.filter(({ name }) => name === 'carryOutInstantly');
    expect(chains).toHaveLength(3);
    expect(stage.names().at(-1)).toBe('writeAnswer');
  });

  test.each([
    ['one of them fails that it cannot do without', 'failed', null],
    ['both bring a wish along', 'completed', 'cancel'],
  ])('ends when instant work ends twice at once and %s', async (_what, status, wish) => {
    let open!: () => void;
    const both = new Promise<void>((resolve) => (open = resolve));
    let waiting = 0;
    const run = await stage.begin({
      ...drafted(
        ...['a', 'b'].map((id) => step(id, { lane: 'tools' })),
        ...['a', 'b'].map((id) => step(`after_${id}`, { needs: [id] })),
        step('never', { needs: ['after_a'], lane: 'tools' }),
      ),
      useTool: completed,
      ...instant(async ({ step_id }) => {
        waiting += 1;
        if (waiting === 2) open();
        await both; // both end in one activation
        return { step_id, status: step_id === 'after_a' ? status : 'completed', skipped: [], wish };
      }),
      endRun: ends,
    });
    await closing(run.result());
    expect(stage.calls.map(({ input }) => input.step_id)).not.toContain('never');
    expect(stage.names().at(-1)).toBe('endRun');
  });

  test('starts a slow step that instant work makes startable, while the rest of the instant work goes on', async () => {
    const run = await stage.begin({
      ...drafted(
        step('a'),
        step('slow', { needs: ['a'], lane: 'tools' }),
        step('b', { needs: ['a'] }),
        step('c', { needs: ['slow', 'b'] }),
      ),
      useTool: completed,
      ...instant(),
    });
    await run.result();
    const chains = stage.calls.filter(({ name }) => name === 'carryOutInstantly');
    expect(chains).toMatchObject([
      { input: { ended: [], running: [] } },
      { input: { ended: [['a', 'completed']], running: ['slow'] } }, // it was started before the others went on
      {},
    ]);
  });

  test('tries an instant step again after its pause, alone, while the others go on', async () => {
    const tried: string[] = [];
    const run = await stage.begin({
      ...drafted(step('flaky'), step('other'), step('last', { needs: ['flaky', 'other'] })),
      carryOutInstantly: ({ running, ended }: Chain) => {
        if (running.length === 0 && ended.length === 0) {
          return { ended: [], again: { step_id: 'flaky', pause_ms: 50 }, answered: false };
        }
        const step_id = ended.length === 0 ? 'other' : 'last';
        tried.push(step_id);
        return { ended: [completed({ step_id })], again: null, answered: false };
      },
      useTool: (ref: StepRef) => {
        tried.push(ref.step_id);
        return completed(ref);
      },
    });
    await run.result();
    expect(tried).toEqual(['other', 'flaky', 'last']);
  });

  test('goes on without a step that may fail, and starts none that was skipped for it', async () => {
    const used: string[] = [];
    const run = await stage.begin({
      ...drafted(
        step('bad', { on_failure: 'continue' }),
        step('needs_it', { needs: ['bad'] }),
        step('other'),
      ),
      ...instant(({ step_id }) => {
        used.push(step_id);
        return step_id === 'bad'
          ? { ...completed({ step_id }), status: 'failed', skipped: ['needs_it'] }
          : completed({ step_id });
      }),
    });
    await run.result();
    expect(used).toEqual(['bad', 'other']);
    expect(stage.names().at(-1)).toBe('writeAnswer');
  });

  test('stops a chain of instant steps by the wish that a step brings along', async () => {
    const chain = Array.from({ length: 10 }, (_, i) =>
      step(`s${i}`, i === 0 ? {} : { needs: [`s${i - 1}`] }),
    );
    const run = await stage.begin({
      ...drafted(...chain),
      ...instant((ref) => ({ ...completed(ref), wish: ref.step_id === 's3' ? 'cancel' : null })),
      endRun: ends,
    });
    expect(await closing(run.result())).toBeNull();
    expect(stage.names().slice(-2)).toEqual(['carryOutInstantly', 'endRun']);
  });

  test('that is between two tries when the run ends is heard out before the workflow closes', async () => {
    const run = await stage.begin({
      ...drafted(step('a'), step('bad', { lane: 'tools' })),
      useTool: async ({ step_id }: StepRef) => {
        await eventually(() => stage.names().filter((name) => name === 'carryOutInstantly').length > 4);
        return { step_id, status: 'failed', skipped: [], wish: null };
      },
      carryOutInstantly: () => {
        if (!stage.names().includes('endRun')) throw new Error('Postgres is away.');
        throw ApplicationFailure.nonRetryable('The run has already ended.', 'run_over');
      },
      endRun: ends,
    });
    await closing(run.result());
    expect(stage.names().filter((name) => name === 'endRun')).toHaveLength(1); // again after a task that failed
  });
});
