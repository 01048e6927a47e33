import { ApplicationFailure, CancelledFailure } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StepRef } from '../../src/db/steps';
import { eventually } from '../support/eventually';
import { gate } from '../support/runs';
import { Stage, closing, completed, drafted, ends, instant, quiet, step, wishes } from '../support/story';

describe('The story of a run', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterAll(() => stage.close());

  test('plans, judges, carries out and answers', async () => {
    const run = await stage.begin({ ...drafted(step('a'), step('b', { needs: ['a'] })), ...instant() });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'judgePlan', 'carryOutInstantly', 'writeAnswer']);
    expect(stage.calls.at(-1)!.input).toEqual({ run_id: run.workflowId, plan_version: 1 });
  });

  test('ends with its plan where only that is asked for', async () => {
    const script = { ...drafted(step('a')), handInPlan: () => quiet };
    const run = await stage.begin(script, { rules: { mode: 'plan_only' } });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'judgePlan', 'handInPlan']);
  });

  test('does not have a given plan judged', async () => {
    const given = {
      status: 'drafted',
      outline: { plan_version: 1, steps: [step('a')] },
      to_judge: false,
      ...quiet,
    };
    const run = await stage.begin({ draftPlan: () => given, ...instant(), writeAnswer: () => quiet });
    await run.result();
    expect(stage.names()).toEqual(['draftPlan', 'carryOutInstantly', 'writeAnswer']);
  });

  test('draws a plan again that the check or the judge rejected, and carries the accepted one out', async () => {
    const run = await stage.begin({
      draftPlan: ({ round }: { round: number }) =>
        round === 1
          ? { status: 'rejected', ...quiet }
          : {
              status: 'drafted',
              outline: { plan_version: round, steps: [step('a')] },
              to_judge: true,
              ...quiet,
            },
      judgePlan: ({ round }: { round: number }) => ({ accepted: round === 3, ...quiet }),
      ...instant(),
      writeAnswer: () => quiet,
    });
    await run.result();
    expect(stage.names()).toEqual([
      'draftPlan',
      'draftPlan',
      'judgePlan',
      'draftPlan',
      'judgePlan',
      'carryOutInstantly',
      'writeAnswer',
    ]);
    expect(stage.calls[5]!.input).toMatchObject({ outline: { plan_version: 3, steps: [{ id: 'a' }] } });
  });

  test('gives up after two replans with plan_rejected', async () => {
    const run = await stage.begin({
      ...drafted(step('a')),
      judgePlan: () => ({ accepted: false, ...quiet }),
      endRun: ends,
    });
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('plan_rejected');
    expect(stage.names().filter((name) => name === 'draftPlan')).toHaveLength(3);
    expect(stage.calls.at(-1)).toMatchObject({ name: 'endRun', input: { ending: { status: 'failed' } } });
  });

  test('ends as failed with the code of an activity that refused', async () => {
    const run = await stage.begin({
      draftPlan: () => {
        throw ApplicationFailure.nonRetryable('Sing a song: not understood.', 'goal_not_understood');
      },
      endRun: ends,
    });
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('goal_not_understood');
    expect(stage.calls.at(-1)!.input).toMatchObject({
      ending: { failure: { code: 'goal_not_understood', message: 'Sing a song: not understood.' } },
    });
  });

  test('stops its other steps when one fails that it cannot do without', async () => {
    const run = await stage.begin({
      ...drafted(
        step('good', { lane: 'tools', timeout_s: 60 }),
        step('bad'),
        step('after', { needs: ['good'] }),
      ),
      useTool: () => sleep(60_000, undefined, { ref: false }),
      ...instant(({ step_id }) => ({ step_id, status: 'failed', skipped: [], ...quiet })),
      endRun: ends,
    });
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('step_failed');
    expect(stage.calls.map(({ input }) => input.step_id)).not.toContain('after');
    expect(stage.calls.at(-1)!.input).toMatchObject({ ending: { failure: { step_id: 'bad' } } });
  });

  test('ends when many slow steps end at once and one of them fails that it cannot do without', async () => {
    const steps = Array.from({ length: 8 }, (_, i) => step(`s${i}`, { lane: 'tools' }));
    const run = await stage.begin({
      ...drafted(...steps, step('after', { needs: ['s1'], lane: 'tools' })),
      useTool: async ({ step_id }: StepRef) => {
        await eventually(() => stage.names().filter((name) => name === 'useTool').length >= steps.length);
        return { step_id, status: step_id === 's0' ? 'failed' : 'completed', skipped: [], ...quiet };
      },
      endRun: ends,
    });
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('step_failed');
  });

  test('ends as failed, not as a closed workflow with an open run, when an activity fails in a way nobody knows', async () => {
    const run = await stage.begin({
      ...drafted(step('a', { lane: 'tools' })),
      useTool: () => {
        throw ApplicationFailure.nonRetryable('given up by an operator', 'whatever');
      },
      endRun: ends,
    });
    await closing(run.result());
    expect(stage.calls.at(-1)).toMatchObject({
      name: 'endRun',
      input: {
        ending: { status: 'failed', failure: { code: 'internal', message: 'given up by an operator' } },
      },
    });
  });

  test('is woken by a look, asks what is wished, and stops what runs', async () => {
    const run = await stage.begin({
      ...drafted(step('long', { lane: 'tools', timeout_s: 60 })),
      useTool: () => sleep(60_000, undefined, { ref: false }),
      readWishes: () => ({ wish: 'cancel' }),
      endRun: ends,
    });
    await eventually(() => stage.names().includes('useTool'));
    await stage.look(run);
    expect(await closing(run.result())).toBeNull();
    expect(stage.calls.at(-1)).toMatchObject({
      name: 'endRun',
      input: { ending: { status: 'cancelled', by: 'wish' } },
    });
  });

  test('takes no notice of a look behind which there is no wish', async () => {
    let looked = false;
    const run = await stage.begin({
      ...drafted(step('a', { lane: 'tools' })),
      useTool: async (ref: StepRef) => {
        await eventually(() => looked);
        return completed(ref);
      },
      readWishes: () => {
        looked = true;
        return quiet;
      },
    });
    await stage.look(run);
    await run.result();
    expect(stage.names()).toContain('readWishes');
    expect(stage.names().at(-1)).toBe('writeAnswer');
  });

  test('is cancelled where the answer finds a wish', async () => {
    const run = await stage.begin({
      ...drafted(step('a')),
      ...instant(),
      writeAnswer: () => ({ wish: 'cancel' }),
      endRun: ends,
    });
    expect(await closing(run.result())).toBeNull();
  });

  test('ends as cancelled by Temporal when an operator cancels it there', async () => {
    const run = await stage.begin({
      ...drafted(step('long', { lane: 'tools', timeout_s: 60 })),
      useTool: () => sleep(60_000, undefined, { ref: false }),
      endRun: ends,
    });
    await eventually(() => stage.names().includes('useTool'));
    await run.cancel();
    expect(await closing(run.result())).toBeInstanceOf(CancelledFailure);
    expect(stage.calls.at(-1)!.input).toMatchObject({ ending: { status: 'cancelled', by: 'temporal' } });
  });

  test('ends as timed out at its deadline', async () => {
    const run = await stage.begin(
      {
        ...drafted(step('long', { lane: 'tools', timeout_s: 60 })),
        useTool: () => sleep(60_000, undefined, { ref: false }),
        readWishes: () => wishes(),
        endRun: ends,
      },
      { deadline_in_ms: 500, rules: { max_duration_s: 1 } },
    );
    const cause = (await closing(run.result())) as ApplicationFailure;
    expect(cause.type).toBe('timed_out');
    expect(stage.calls.at(-1)!.input).toMatchObject({
      ending: { limit: { kind: 'max_duration_s', value: 1 } },
    });
  });

  test('goes on past its deadline where a Reset has given it time anew, until that is over', async () => {
    let asked = 0;
    const run = await stage.begin(
      {
        ...drafted(step('long', { lane: 'tools', timeout_s: 60 })),
        useTool: () => sleep(60_000, undefined, { ref: false }),
        readWishes: () => wishes((asked += 1) === 1 ? { deadline_at_ms: Date.now() + 5_000 } : {}),
        endRun: ends,
      },
      { deadline_in_ms: -60_000 },
    );
    expect(await closing(run.result())).toMatchObject({ type: 'timed_out' });
    expect(asked).toBe(2);
    expect(stage.names()).toContain('useTool');
  });

  test('that was reset after its deadline completes in its new time', async () => {
    const run = await stage.begin(
      {
        ...drafted(step('one', { lane: 'tools' })),
        useTool: completed,
        readWishes: () => wishes({ deadline_at_ms: Date.now() + 60_000 }),
      },
      { deadline_in_ms: -60_000 },
    );
    expect(await closing(run.result())).toBeNull();
  });

  test('tells a slow step which others have ended without an output', async () => {
    const run = await stage.begin(
      {
        ...drafted(
          step('lost', { lane: 'tools', on_failure: 'continue' }),
          ...['done', 'last'].map((id) => step(id, { lane: 'tools' })),
        ),
        useTool: (ref: StepRef) =>
          ref.step_id === 'lost' ? { ...completed(ref), status: 'failed' } : completed(ref),
      },
      { rules: { max_parallel_steps: 1 } },
    );
    expect(await closing(run.result())).toBeNull();
    const used = stage.calls.filter(({ name }) => name === 'useTool').map(({ input }) => input);
    expect(used.map(({ step_id, lost }) => [step_id, lost])).toEqual([
      ['lost', undefined],
      ['done', ['lost']],
      ['last', ['lost']],
    ]);
  });

  test('closes as the record says when the run was over already', async () => {
    const run = await stage.begin({
      draftPlan: () => {
        throw ApplicationFailure.nonRetryable('The run has already ended.', 'run_over');
      },
      endRun: () => ({ status: 'cancelled' }),
    });
    expect(await closing(run.result())).toBeNull();
  });

  test('tries an activity again that met an error nobody knows, and takes no attempt for it', async () => {
    let tries = 0;
    const run = await stage.begin({
      ...drafted(step('a', { lane: 'tools' })),
      useTool: (ref: StepRef) => {
        tries += 1;
        if (tries < 5) throw new Error('Postgres is away.');
        return completed(ref);
      },
    });
    await run.result();
    expect(tries).toBe(5);
  });

  test('keeps as many steps in flight as its rules allow', async () => {
    let running = 0;
    let most = 0;
    const three = gate();
    const run = await stage.begin(
      {
        ...drafted(...Array.from({ length: 12 }, (_, i) => step(`s${i}`, { lane: 'tools' }))),
        useTool: async (ref: StepRef) => {
          running += 1;
          most = Math.max(most, running);
          if (running === 3) three.open();
          await three.opened; // however long it takes until as many as may are there
          await sleep(20); // and one too many has time to come
          running -= 1;
          return completed(ref);
        },
      },
      { rules: { max_parallel_steps: 3 } },
    );
    await run.result();
    expect(most).toBe(3);
  });
});
