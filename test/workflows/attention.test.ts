import type { ApplicationFailure } from '@temporalio/client';
import type { StepRef } from '../../src/db/steps';
import { eventually } from '../support/eventually';
import { Stage, closing, completed, drafted, ends, instant, quiet, step, wishes } from '../support/story';

const SLOW = { lane: 'tools', timeout_s: 10 } as const;

describe('A run with a step that only a person can say something of', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  /** Steps that wait now; a step that waits once it is called says so until it is answered. */
  let waiting: Set<string>;
  beforeEach(() => void (waiting = new Set(['ask'])));
  const asking = {
    useTool: (ref: StepRef) =>
      waiting.has(ref.step_id) ? { step_id: ref.step_id, status: 'waiting', ...quiet } : completed(ref),
    readWishes: () => wishes({ waiting: [...waiting] }),
    ...instant(),
  };
  const count = (name: string) => stage.names().filter((one) => one === name).length;

  test('waits, carries out what does not depend on it, and goes on once it is answered', async () => {
    const run = await stage.begin({
      ...drafted(step('ask', SLOW), step('other', SLOW), step('after', { needs: ['ask'] })),
      ...asking,
    });
    await eventually(() => Promise.resolve(count('useTool') === 2 && count('readWishes') === 1));
    await stage.look(run); // somebody looks, but nothing is answered
    await eventually(() => Promise.resolve(count('readWishes') === 2));
    expect(stage.names()).not.toContain('carryOutInstantly');
    waiting.clear();
    await stage.look(run);
    await run.result();
    const used = stage.calls.filter(({ name }) => name === 'useTool').map(({ input }) => input.step_id);
    // The first two begin together, and either may come first.
    expect([used.slice(0, 2).sort(), used.slice(2)]).toEqual([['ask', 'other'], ['ask']]);
    expect(stage.names().slice(-2)).toEqual(['carryOutInstantly', 'writeAnswer']);
  });

  test('goes on at once when it was answered before it began to wait', async () => {
    const run = await stage.begin({
      ...drafted(step('ask', SLOW)),
      ...asking,
      readWishes: () => {
        waiting.clear();
        return wishes();
      },
    });
    await run.result();
    expect(count('useTool')).toBe(2);
  });

  test('is not ended by its deadline while it waits, and has the time back that it waited', async () => {
    const run = await stage.begin({ ...drafted(step('ask', SLOW)), ...asking }, { deadline_in_ms: 10_000 });
    await eventually(() => Promise.resolve(count('readWishes') === 1));
    await eventually(async () => {
      const { events = [] } = await run.fetchHistory();
      return events?.some(({ timerFiredEventAttributes }) => Boolean(timerFiredEventAttributes));
    });
    waiting.clear();
    await stage.look(run);
    await run.result();
  });

  test('is ended when nobody answers for as long as its rules allow', async () => {
    const run = await stage.begin(
      { ...drafted(step('ask', SLOW)), ...asking, endRun: ends },
      { rules: { max_wait_s: 1 } },
    );
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('timed_out');
    expect(stage.calls.at(-1)!.input).toMatchObject({
      ending: { limit: { kind: 'max_wait_s', value: 1 } },
    });
  });

  test('ends when it is cancelled while it waits', async () => {
    let wish: 'cancel' | null = null;
    const run = await stage.begin({
      ...drafted(step('ask', SLOW)),
      ...asking,
      readWishes: () => wishes({ waiting: [...waiting], wish }),
      endRun: ends,
    });
    await eventually(() => Promise.resolve(count('readWishes') === 1));
    wish = 'cancel';
    await stage.look(run);
    await run.result();
    expect(stage.calls.at(-1)).toMatchObject({ name: 'endRun', input: { ending: { by: 'wish' } } });
    expect(count('useTool')).toBe(1);
  });
});

describe('A run that was restarted', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  test('carries out only what its outline does not say has ended', async () => {
    const run = await stage.begin({
      ...drafted(
        step('done', { ...SLOW, reused: 'completed' }),
        step('left', { ...SLOW, reused: 'skipped' }),
        step('again', { ...SLOW, needs: ['done'] }),
        step('last', { needs: ['again', 'done'] }),
      ),
      useTool: completed,
      ...instant(),
    });
    await run.result();
    expect(stage.calls.filter(({ name }) => name === 'useTool').map(({ input }) => input.step_id)).toEqual([
      'again',
    ]);
    expect(stage.calls.find(({ name }) => name === 'carryOutInstantly')!.input).toMatchObject({
      ended: [
        ['done', 'completed'],
        ['left', 'skipped'],
        ['again', 'completed'],
      ],
    });
  });

  test('answers at once when nothing is left to carry out', async () => {
    const run = await stage.begin({ ...drafted(step('done', { reused: 'completed' })) });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'judgePlan', 'writeAnswer']);
  });
});
