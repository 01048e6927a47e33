import { join } from 'node:path';
import type { RunEvent } from '../../src/contracts/event';
import type { Step } from '../../src/contracts/plan';
import type { StepView } from '../../src/contracts/round-views';
import type { Run } from '../../src/contracts/run';
import { EMPTY_VIEW, viewAfter } from '../../src/watch/run-view';
import { eventually } from '../support/eventually';
import { startSystem, type System } from '../support/stack';
import {
  cancelWorkflow,
  resetWorkflow,
  terminateWorkflow,
  type ResetPoint,
} from '../support/temporal-program';

const SUPPORT = join(__dirname, '..', 'support');
const ENDS = ['run.completed', 'run.failed', 'run.cancelled', 'run.timed_out'];
const REASON = 'It costs too much.';

describe("An operator at Temporal's own program", () => {
  let system: System;
  let users = 0;
  beforeAll(async () => {
    system = await startSystem({
      settings: {
        LONGHAUL_TOOL_PACKS: ['tool-pack.ts', 'unsafe-pack.ts'].map((pack) => join(SUPPORT, pack)).join(','),
      },
    });
  });
  afterAll(() => system.stop());

  /** A run that adds a todo, uses a tool, and adds another one; each has a list of its own. */
  async function submit(tool: string, input: Record<string, unknown>, more: object = {}) {
    const steps: Step[] = [
      { id: 'before', tool: 'todo.add', input: { text: 'before' } },
      { id: 'tool', tool, input, needs: ['before'] },
      { id: 'after', tool: 'todo.add', input: { text: 'after' }, needs: ['tool'] },
    ];
    const user = `operator-${(users += 1)}`;
    const { id } = await system.submit({ goal: 'try it', user, plan: { steps }, ...more });
    return { id, user };
  }
  const until = (run_id: string, what: string, is: (run: Run) => boolean) =>
    eventually(async () => (await system.get(run_id).then(is)) || undefined, { what });
  /** Waits until the run stands so, and looks whether its events show its steps as they are. */
  const standsAs = async (run_id: string, status: Run['status'], attempt: number) => {
    await until(
      run_id,
      `${status} in attempt ${attempt}`,
      (run) => run.status === status && run.attempt === attempt,
    );
    const shown = (await system.events(run_id)).reduce(viewAfter, EMPTY_VIEW);
    const { data } = (await (await system.request(`/v1/runs/${run_id}/steps`)).json()) as {
      data: StepView[];
    };
    expect([shown.status, shown.steps.map((view) => view.status)]).toEqual([
      status,
      data.map((step) => step.status),
    ]);
  };
  const started = (run_id: string, attempt: number) =>
    eventually(async () =>
      (await system.events(run_id)).some(
        (event) => event.type === 'step.started' && event.step_id === 'tool' && event.attempt === attempt,
      ),
    );
  const resolve = async (run_id: string, said: object) => {
    const reply = await system.request(`/v1/runs/${run_id}/steps/tool/resolve`, {
      method: 'POST',
      body: JSON.stringify(said),
    });
    expect(reply.status).toBe(200);
  };
  const todosOf = async (user: string) => {
    const rows = await system.database.db.query<{ text: string }>(
      'select text from todos where "user" = $1 order by position',
      [user],
    );
    return rows.map(({ text }) => text);
  };
  /** Numbers without gaps, and of the attempts: the end of each that has one, in their order. */
  async function endsOf(run_id: string): Promise<[attempt: number, end: string][]> {
    const events = await system.events(run_id);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 1));
    return events.filter(({ type }) => ENDS.includes(type)).map(({ attempt, type }) => [attempt, type]);
  }
  /** The facts of a step: of which attempt, and what. */
  const factsOf = (events: RunEvent[], step_id: string) =>
    events.filter((event) => event.step_id === step_id).map(({ type, attempt }) => `${attempt} ${type}`);
  const ONCE = ['1 step.started', '1 step.completed'];

  test('resets a run that failed in a tool: what failed is done again, and nothing else', async () => {
    const { id, user } = await submit('test.flaky', { times: 3 });
    expect(await system.ended(id)).toMatchObject({ status: 'failed' });
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.failed'],
      [2, 'run.completed'],
    ]);
    const events = await system.events(id);
    expect(factsOf(events, 'before')).toEqual(ONCE);
    expect(factsOf(events, 'tool').slice(-2)).toEqual(['2 step.started', '2 step.completed']);
    expect(factsOf(events, 'after').slice(-2)).toEqual(['2 step.started', '2 step.completed']);
    expect(await todosOf(user)).toEqual(['before', 'after']);
    await system.describe(id, 'COMPLETED');
  });

  test('resets such a run to its last task: that failed already, so the run fails again', async () => {
    const { id, user } = await submit('test.flaky', { times: 3 });
    await system.ended(id);
    await resetWorkflow(id, 'LastWorkflowTask');
    await standsAs(id, 'failed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.failed'],
      [2, 'run.failed'],
    ]);
    expect(await system.get(id)).toMatchObject({ error: { step_id: 'tool', cause: { code: 'tool_error' } } });
    // Neither is it lost: from the first task on the step is done again.
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 3);
    expect(await todosOf(user)).toEqual(['before', 'after']);
  });

  test.each<ResetPoint>(['FirstWorkflowTask', 'LastWorkflowTask'])(
    'resets a run that failed in planning to its %s: the goal is asked of the planner again',
    async (point) => {
      const { id } = await system.submit({ goal: 'What is the meaning of life?' });
      expect(await system.ended(id)).toMatchObject({
        status: 'failed',
        error: { code: 'goal_not_understood' },
      });
      await resetWorkflow(id, point);
      await standsAs(id, 'failed', 2);
      expect(await endsOf(id)).toEqual([
        [1, 'run.failed'],
        [2, 'run.failed'],
      ]);
      const planned = (await system.events(id)).filter(({ type }) => type === 'plan.started');
      expect(planned.map(({ attempt }) => attempt)).toEqual([1, 2]);
    },
  );

  test.each<ResetPoint>(['FirstWorkflowTask', 'LastWorkflowTask'])(
    'resets a run that waits for an answer to its %s: it waits on, and goes on with the answer',
    async (point) => {
      const { id, user } = await submit('test.doubtful', {});
      await standsAs(id, 'waiting', 1);
      await resetWorkflow(id, point);
      await standsAs(id, 'waiting', 2);
      await resolve(id, { outcome: 'done', reason: 'It is there.' });
      await standsAs(id, 'completed', 2);
      expect(await endsOf(id)).toEqual([[2, 'run.completed']]);
      const events = await system.events(id);
      expect(factsOf(events, 'before')).toEqual(ONCE);
      expect(events.filter(({ type }) => type === 'step.needs_attention')).toHaveLength(1);
      expect(await todosOf(user)).toEqual(['before', 'after']);
    },
  );

  test.each<ResetPoint>(['FirstWorkflowTask', 'LastWorkflowTask'])(
    'resets a run in the middle of a tool to its %s: the tool is called again, and the call before comes to nothing',
    async (point) => {
      const { id, user } = await submit('test.hang_once', {});
      await started(id, 1);
      await resetWorkflow(id, point);
      await standsAs(id, 'completed', 2);
      expect(await endsOf(id)).toEqual([[2, 'run.completed']]);
      expect(await todosOf(user)).toEqual(['before', 'after']);
    },
  );

  test('resets a run that was cancelled: its old wish, which Temporal signals again, stops it no more', async () => {
    const { id, user } = await submit('test.hang_once', {});
    await started(id, 1);
    await system.request(`/v1/runs/${id}/cancel`, { method: 'POST', body: JSON.stringify({ reason: 'no' }) });
    await standsAs(id, 'cancelled', 1);
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.cancelled'],
      [2, 'run.completed'],
    ]);
    expect(await todosOf(user)).toEqual(['before', 'after']);
  });

  test('resets a run whose time was over: it has its whole time again', async () => {
    const { id } = await submit('test.hang_once', {}, { budget: { max_duration_s: 12 } });
    expect(await system.ended(id)).toMatchObject({ status: 'timed_out' });
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.timed_out'],
      [2, 'run.completed'],
    ]);
  });

  test('resets a run that completed: it answers again, from what it has', async () => {
    const { id, user } = await submit('test.wait', { ms: 1 });
    await standsAs(id, 'completed', 1);
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 2);
    const events = await system.events(id);
    for (const step of ['before', 'tool', 'after']) expect(factsOf(events, step)).toEqual(ONCE);
    expect(await todosOf(user)).toEqual(['before', 'after']);
  });

  test('terminates a run that is at work: it ends as cancelled, with the reason; a Reset goes on with it', async () => {
    const { id, user } = await submit('test.hang_once', {});
    await started(id, 1);
    await terminateWorkflow(id, REASON);
    expect(await system.ended(id)).toMatchObject({ status: 'cancelled', status_reason: REASON });
    expect((await system.events(id)).at(-1)).toMatchObject({
      type: 'run.cancelled',
      data: { actor: 'temporal', reason: REASON },
    });
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'completed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.cancelled'],
      [2, 'run.completed'],
    ]);
    expect(await todosOf(user)).toEqual(['before', 'after']);
  });

  test('terminates a run that waits; after a Reset the question is asked again, and the tool is not called', async () => {
    const { id, user } = await submit('test.doubtful', {});
    await standsAs(id, 'waiting', 1);
    await terminateWorkflow(id, REASON);
    await standsAs(id, 'cancelled', 1);
    await resetWorkflow(id, 'FirstWorkflowTask');
    await standsAs(id, 'waiting', 2);
    await resolve(id, { outcome: 'done', reason: 'It is there.' });
    await standsAs(id, 'completed', 2);
    expect(await endsOf(id)).toEqual([
      [1, 'run.cancelled'],
      [2, 'run.completed'],
    ]);
    expect(factsOf(await system.events(id), 'tool').filter((fact) => fact.endsWith('step.started'))).toEqual([
      '1 step.started',
    ]);
    expect(await todosOf(user)).toEqual(['before', 'after']);
  });

  test.each(['tool', 'planning'])(
    'may not terminate a run that failed in a %s: nothing changes',
    async (where) => {
      const { id } =
        where === 'tool'
          ? await submit('test.flaky', { times: 3 })
          : await system.submit({ goal: 'What is the meaning of life?' });
      const before = await system.ended(id);
      await system.describe(id, 'FAILED');
      await expect(terminateWorkflow(id, REASON)).rejects.toThrow('already completed');
      expect(await system.get(id)).toEqual(before);
    },
  );

  test('cancels a run: it ends as a wish would have ended it', async () => {
    const { id } = await submit('test.wait', { ms: 60_000 });
    await started(id, 1);
    await cancelWorkflow(id);
    expect(await system.ended(id)).toMatchObject({ status: 'cancelled', status_reason: null });
    expect((await system.events(id)).at(-1)).toMatchObject({ data: { actor: 'temporal', reason: null } });
    await system.describe(id, 'CANCELLED');
  });
});
