import { endRun } from '../../src/runs/end-run';
import { draftPlan } from '../../src/activities/draft-plan';
import { judgePlan } from '../../src/activities/judge-plan';
import { readWishes } from '../../src/activities/read-wishes';
import { useTool } from '../../src/activities/use-tool';
import { writeAnswer } from '../../src/activities/write-answer';
import type { Ending } from '../../src/contracts/ending';
import { Interrupted } from '../../src/contracts/interrupted';
import { Refusal } from '../../src/contracts/refusal';
import { lockStep } from '../../src/db/steps';
import { append } from '../../src/events/append';
import { cancelRun } from '../../src/runs/cancel';
import { ECHO, depsWith, plannedRun, pure, stepOf, use, AROUND } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { atOnce, fakeJudge, fakePlanner, fakeWorkflows, fakeWriter } from '../support/fakes';
import { blocked, eventsOf, fact, gate, newRun, reopen, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const FAILED: Ending = {
  status: 'failed',
  failure: { code: 'step_failed', message: 'A step failed: one.', step_id: 'one' },
};
const TIMED_OUT: Ending = { status: 'timed_out', limit: { kind: 'max_duration_s', value: 60 } };
const BY_WISH: Ending = { status: 'cancelled', by: 'wish' };
const BROKEN = pure('broken', () => Promise.reject(new Refusal('todo_not_found', 'Nothing there.')));
const STEPS = [
  { id: 'one', tool: 'echo' },
  { id: 'two', tool: 'echo', needs: ['one'] },
  { id: 'three', tool: 'echo', needs: ['two'] },
];

const cancel = (run_id: string) =>
  cancelRun(
    {
      records: test_db.db,
      workflows: fakeWorkflows(),
      onNotWoken: (_, error) => {
        throw error;
      },
    },
    { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1' },
  );
/** Everything that is stored of a run. */
const allOf = async (run_id: string) => [
  await rowOf(test_db.db, run_id),
  await eventsOf(test_db.db, run_id),
  await test_db.db.query('select * from steps where run_id = $1 order by plan_version, position', [run_id]),
  await test_db.db.query('select * from wishes where run_id = $1', [run_id]),
];
const ref = (run_id: string) => ({ run_id, plan_version: 1 });

describe('writing the answer', () => {
  test('completes the run with it, in one transaction, once', async () => {
    const writer = fakeWriter('It is 42.');
    const deps = depsWith(test_db.db, [ECHO, BROKEN], { writer });
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'echo', title: 'First', input: { n: 42 } },
      { id: 'two', tool: 'broken', on_failure: 'continue' },
      { id: 'three', tool: 'echo', needs: ['two'] },
    ]);
    for (const step of ['one', 'two']) await use(deps, run_id, step);
    expect(await writeAnswer(deps, ref(run_id), 'e')).toEqual({ wish: null });
    const before = await allOf(run_id);
    expect(await writeAnswer(deps, ref(run_id), 'e')).toEqual({ wish: null });
    expect(await allOf(run_id)).toEqual(before);
    expect(before[0]).toMatchObject({
      status: 'completed',
      answer: 'It is 42.',
      phase: null,
      finished_at: expect.any(Date),
    });
    expect((await eventsOf(test_db.db, run_id)).slice(-3)).toMatchObject([
      { type: 'generation.started', data: { model: 'fake-writer' } },
      { type: 'generation.completed', data: { text: 'It is 42.' } },
      { type: 'run.completed', data: { answer: 'It is 42.' } },
    ]);
    expect(writer.requests).toEqual([
      {
        goal: 'a goal',
        steps: [
          {
            id: 'one',
            title: 'First',
            tool: 'echo',
            input: { n: 42 },
            status: 'completed',
            output: { n: 42 },
            failure: null,
          },
          expect.objectContaining({
            id: 'two',
            status: 'failed',
            failure: expect.objectContaining({ code: 'todo_not_found' }),
          }),
          expect.objectContaining({ id: 'three', status: 'skipped', input: null, output: null }),
        ],
      },
    ]);
  });

  test('by two workers at once stores one answer', async () => {
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter(...atOnce('first', 'second')) });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    await use(deps, run_id, 'one');
    expect(
      await Promise.all([writeAnswer(deps, ref(run_id), 'e'), writeAnswer(deps, ref(run_id), 'e')]),
    ).toEqual([{ wish: null }, { wish: null }]);
    const { answer } = await rowOf(test_db.db, run_id);
    const events = await eventsOf(test_db.db, run_id);
    expect(events.filter(({ type }) => type === 'generation.completed')).toMatchObject([
      { data: { text: answer } },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'run.completed', data: { answer } });
  });

  test('is refused while the run is being cancelled, and nothing of it is told', async () => {
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter('too late') });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    const slow = {
      model: 'slow',
      instant: false,
      async write() {
        await cancel(run_id);
        return 'too late';
      },
    };
    expect(await writeAnswer({ ...deps, writer: slow }, ref(run_id), 'e')).toEqual({ wish: 'cancel' });
    expect(await writeAnswer(deps, ref(run_id), 'e')).toEqual({ wish: 'cancel' });
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('run.status');
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'cancelling', answer: null });
    await endRun(test_db.db, { run_id, ending: BY_WISH }, 'e');
    await expect(writeAnswer(deps, ref(run_id), 'e')).rejects.toMatchObject({ code: 'run_over' });
  });

  test('keeps an answer that Postgres would not take, mended', async () => {
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter('NUL \u0000, half \ud83d') });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    await writeAnswer(deps, ref(run_id), 'e');
    expect(await rowOf(test_db.db, run_id)).toMatchObject({
      status: 'completed',
      answer: 'NUL \ufffd, half \ufffd',
    });
  });

  test('is tried again when the writer fails', async () => {
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter(new Error('away'), 'there') });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    await expect(writeAnswer(deps, ref(run_id), 'e')).rejects.toThrow('away');
    expect(await writeAnswer(deps, ref(run_id), 'e')).toEqual({ wish: null });
  });
});

describe('ending a run', () => {
  test('shows what Postgres refuses of a message as replacement characters: the run ends', async () => {
    const run_id = await newRun(test_db.db);
    const failure = { code: 'reply_unreadable' as const, message: 'Unrecognized key: a\u0000b\ud800' };
    expect(await endRun(test_db.db, { run_id, ending: { status: 'failed', failure } }, 'e')).toEqual({
      status: 'failed',
    });
    expect((await rowOf(test_db.db, run_id)).status_reason).toBe('Unrecognized key: a\ufffdb\ufffd');
  });

  test.each<[Ending, object, object]>([
    [
      TIMED_OUT,
      { type: 'run.timed_out', data: { limit: { kind: 'max_duration_s', value: 60 } } },
      { status: 'timed_out', status_reason: 'It took longer than 60 s.', error: null },
    ],
    [
      { status: 'cancelled', by: 'temporal' },
      { type: 'run.cancelled', data: { actor: 'temporal', reason: null } },
      { status: 'cancelled', status_reason: null, error: null },
    ],
    [
      { status: 'failed', failure: { code: 'plan_rejected', message: 'No.' } },
      { type: 'run.failed', data: { failure: { code: 'plan_rejected', message: 'No.' } } },
      { status: 'failed', status_reason: 'No.', error: { code: 'plan_rejected', message: 'No.' } },
    ],
  ])(
    'cancels what has not ended, in the order of the plan, then says how: %j',
    async (ending, event, row) => {
      const deps = depsWith(test_db.db, [ECHO]);
      const run_id = await plannedRun(deps, STEPS);
      await use(deps, run_id, 'one');
      expect(await endRun(test_db.db, { run_id, ending }, 'e')).toEqual({ status: ending.status });
      const before = await allOf(run_id);
      expect(await endRun(test_db.db, { run_id, ending }, 'e')).toEqual({ status: ending.status });
      expect(await endRun(test_db.db, { run_id, ending: FAILED }, 'e')).toEqual({ status: ending.status });
      expect(await allOf(run_id)).toEqual(before);
      expect((await typesOf(test_db.db, run_id)).slice(-3, -1)).toEqual([
        'step.cancelled two',
        'step.cancelled three',
      ]);
      expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject(event);
      expect(before[0]).toMatchObject({ ...row, phase: null, finished_at: expect.any(Date) });
      expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'completed' });
      expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({ status: 'cancelled' });
    },
  );

  test('that failed by a step says how the step failed', async () => {
    const deps = depsWith(test_db.db, [ECHO, BROKEN]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'broken' }, STEPS[1]!]);
    await use(deps, run_id, 'one');
    await endRun(test_db.db, { run_id, ending: FAILED }, 'e');
    const failure = {
      code: 'step_failed',
      message: 'Step one failed: Nothing there.',
      step_id: 'one',
      cause: { code: 'todo_not_found', message: 'Nothing there.' },
    };
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'run.failed',
      data: { failure },
    });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ error: failure, status_reason: failure.message });
  });

  test('that was wished cancelled says who wished it and why, and closes the wish', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, STEPS);
    expect(await readWishes(deps, { run_id }, 'e')).toMatchObject({ wish: null, waiting: [] });
    await cancel(run_id);
    expect(await readWishes(deps, { run_id }, 'e')).toMatchObject({ wish: 'cancel' });
    expect(await use(deps, run_id, 'one')).toMatchObject({ status: 'completed', wish: 'cancel' });
    await endRun(test_db.db, { run_id, ending: BY_WISH }, 'e');
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'run.cancelled',
      data: { actor: 'key_1', reason: 'enough' },
    });
    expect(await readWishes(deps, { run_id }, 'e')).toMatchObject({ wish: null, waiting: [] });
    expect(
      await test_db.db.query('select 1 from wishes where run_id = $1 and closed_at is null', [run_id]),
    ).toEqual([]);
  });

  test('that is completed leaves it so', async () => {
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter('42') });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    await use(deps, run_id, 'one');
    await writeAnswer(deps, ref(run_id), 'e');
    const before = await allOf(run_id);
    for (const ending of [FAILED, TIMED_OUT, BY_WISH]) {
      expect(await endRun(test_db.db, { run_id, ending }, 'e')).toEqual({ status: 'completed' });
    }
    expect(await allOf(run_id)).toEqual(before);
  });

  test('at once by several ends it once', async () => {
    const asked = gate();
    const go = gate();
    const writing = async () => {
      asked.open();
      await go.opened;
      return '42';
    };
    const deps = depsWith(test_db.db, [ECHO], { writer: fakeWriter(writing) });
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    await use(deps, run_id, 'one');
    const answer = writeAnswer(deps, ref(run_id), 'e').catch((error: Refusal) => error.code);
    await asked.opened;
    go.open();
    const endings = [FAILED, TIMED_OUT, BY_WISH].map((ending) => endRun(test_db.db, { run_id, ending }, 'e'));
    const statuses = new Set((await Promise.all(endings)).map(({ status }) => status));
    expect(statuses.size).toBe(1);
    const { status } = await rowOf(test_db.db, run_id);
    expect([...statuses]).toEqual([status]);
    expect(await answer).toEqual(status === 'completed' ? { wish: null } : 'run_over');
    const types = await typesOf(test_db.db, run_id);
    expect(types.filter((type) => /^run\.(completed|failed|cancelled|timed_out)$/.test(type))).toEqual([
      `run.${String(status)}`,
    ]);
    expect(types.at(-1)).toBe(`run.${String(status)}`);
  });

  test('tells of no step of a plan that was not accepted', async () => {
    const steps = [
      { id: 'one', tool: 'echo', input: {} },
      { id: 'two', tool: 'echo', input: {} },
    ];
    const planner = fakePlanner({ kind: 'plan', steps }, { kind: 'plan', steps });
    const judge = fakeJudge({ is_valid: true, confidence: 1, issues: [], suggestions: [] });
    const deps = depsWith(test_db.db, [ECHO], { planner, judge });
    const run_id = await newRun(test_db.db);
    for (const round of [1, 2]) await draftPlan(deps, { run_id, round }, 'e');
    await judgePlan(deps, { run_id, round: 2 }, AROUND);
    const around = { execution: 'e', cancelled: new AbortController().signal };
    await useTool(deps, { run_id, plan_version: 2, step_id: 'one' }, around);
    await endRun(test_db.db, { run_id, ending: TIMED_OUT }, 'e');
    const types = await typesOf(test_db.db, run_id);
    expect(types.slice(-3)).toEqual(['step.completed one', 'step.cancelled two', 'run.timed_out']);
    expect(await stepOf(test_db.db, run_id, 'one', 1)).toMatchObject({ status: 'cancelled' });
    expect(await stepOf(test_db.db, run_id, 'one', 2)).toMatchObject({ status: 'completed' });
  });

  test('in the name of no execution ends none but a run that no execution has', async () => {
    const run_id = await newRun(test_db.db);
    const end = () => endRun(test_db.db, { run_id, ending: TIMED_OUT }, null);
    await test_db.db.query(`update runs set execution = 'e' where id = $1`, [run_id]);
    await expect(end()).rejects.toMatchObject({ code: 'superseded' });
    await test_db.db.query('update runs set execution = null where id = $1', [run_id]);
    expect(await end()).toEqual({ status: 'timed_out' });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ execution: null, phase: null });
  });

  test('waits for a skip under way and sees what it decided', async () => {
    const deps = depsWith(test_db.db, [ECHO, BROKEN]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'broken', on_failure: 'continue' },
      { id: 'two', tool: 'echo', needs: ['one'] },
    ]);
    const { opened, open } = gate();
    const held = gate();
    // Holds the row of the run, so that the step has decided on its skips and waits to tell of them.
    const holder = test_db.db.transaction(async (tx) => {
      await tx.query('select 1 from runs where id = $1 for no key update', [run_id]);
      held.open();
      await opened;
    });
    await held.opened;
    const failing = use(deps, run_id, 'one');
    await blocked(test_db.owner, 1);
    const ending = endRun(test_db.db, { run_id, ending: TIMED_OUT }, 'e');
    await blocked(test_db.owner, 2);
    open();
    await Promise.all([holder, failing, ending]);
    expect((await typesOf(test_db.db, run_id)).slice(-4)).toEqual([
      ...['step.started one', 'step.failed one', 'step.skipped two', 'run.timed_out'],
    ]);
  });

  test('waits for a step that is being stored, and does not hold up what is told of it', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [STEPS[0]!]);
    const { opened, open } = gate();
    const held = gate();
    const storing = test_db.db.transaction(async (tx) => {
      await lockStep(tx, { ...ref(run_id), step_id: 'one' });
      held.open();
      await opened;
      await append(tx, run_id, { attempt: 1, events: [fact('stored')] });
    });
    await held.opened;
    const ending = endRun(test_db.db, { run_id, ending: TIMED_OUT }, 'e');
    await blocked(test_db.owner, 1);
    open();
    await Promise.all([storing, ending]);
    expect((await typesOf(test_db.db, run_id)).slice(-3)).toEqual([
      ...['step.skipped', 'step.cancelled one', 'run.timed_out'],
    ]);
  });

  test('of a new attempt may tell the same again', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, STEPS);
    await endRun(test_db.db, { run_id, ending: TIMED_OUT }, 'e');
    const execution = await reopen(test_db.db, run_id);
    const stopped = { execution, cancelled: AbortSignal.abort() };
    await expect(useTool(deps, { ...ref(run_id), step_id: 'one' }, stopped)).rejects.toThrow(Interrupted);
    expect(await endRun(test_db.db, { run_id, ending: BY_WISH }, execution)).toEqual({ status: 'cancelled' });
    const types = await typesOf(test_db.db, run_id);
    expect(types.slice(-3)).toEqual(['run.reopened', 'step.cancelled one', 'run.cancelled']);
  });
});
