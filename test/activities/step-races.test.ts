import { draftPlan } from '../../src/activities/draft-plan';
import { endRun } from '../../src/runs/end-run';
import type { StepResult } from '../../src/contracts/step-result';
import { takeFence } from '../../src/db/steps';
import { interrupted, depsWith, plannedRun, pure, stepOf, transactional, use } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { blocked, eventsOf, gate, newRun, typesOf } from '../support/runs';
import { atOnce } from '../support/fakes';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** Makes an effect that can be counted, and says how often it was called. */
const noting = (calls: { made: number }, more: object = {}) =>
  transactional(
    'noting',
    async (_input, { tenant, run_id, step_id }, tx) => {
      calls.made += 1;
      const id = `${run_id}.${calls.made}`;
      await tx.query(
        `insert into todos (id, tenant, text, run_id, step_id) values ($1, $2, 'note', $3, $4)`,
        [...[id, tenant, run_id, step_id]],
      );
      return { id };
    },
    more,
  );
const effectsOf = (run_id: string) => test_db.db.query('select 1 from todos where run_id = $1', [run_id]);
const factsOf = async (run_id: string) => {
  const events = await eventsOf(test_db.db, run_id);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  return events
    .filter(({ type }) => type.startsWith('step.'))
    .map(({ type, data }) => {
      const { attempt, failure } = data as { attempt?: number; failure?: { code: string } };
      return [
        type,
        ...(attempt === undefined ? [] : [attempt]),
        ...(failure === undefined ? [] : [failure.code]),
      ];
    });
};

describe('two workers on one step', () => {
  test('make the effect of a transactional tool once', async () => {
    const calls = { made: 0 };
    const deps = depsWith(test_db.db, [noting(calls)]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'noting' }]);
    // Both wait on the row of the step until this lets go of it, so that both have begun.
    const { opened, open } = gate();
    const holds = gate();
    const holder = test_db.db.transaction(async (tx) => {
      await tx.query('select 1 from steps where run_id = $1 for update', [run_id]);
      holds.open();
      await opened;
    });
    await holds.opened;
    const both = [use(deps, run_id, 'one'), use(deps, run_id, 'one')];
    await blocked(test_db.owner, 2);
    open();
    await holder;
    const done: StepResult = { step_id: 'one', status: 'completed', skipped: [], wish: null };
    expect(await Promise.all(both)).toEqual([done, done]);
    expect(calls.made).toBe(1);
    expect(await effectsOf(run_id)).toHaveLength(1);
    expect(await factsOf(run_id)).toEqual([['step.started', 1], ['step.completed']]);
  });

  test('store the first output of a pure instant tool', async () => {
    const outputs = atOnce({ by: 'first' }, { by: 'second' });
    const deps = depsWith(test_db.db, [pure('giving', () => outputs.shift()!())]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'giving' }]);
    const both = await Promise.all([use(deps, run_id, 'one'), use(deps, run_id, 'one')]);
    expect(both[0]).toEqual(both[1]);
    const events = await eventsOf(test_db.db, run_id);
    const completed = events.filter(({ type }) => type === 'step.completed');
    const { output } = await stepOf(test_db.db, run_id, 'one');
    expect(completed).toMatchObject([{ data: { output } }]);
    expect(await factsOf(run_id)).toEqual([['step.started', 1], ['step.completed']]);
  });

  test('skip what depends on it once', async () => {
    const deps = depsWith(test_db.db, [pure('giving', () => Promise.resolve({ n: 1 }))]);
    const when = { ref: 'one.n', op: 'eq', value: 2 } as const;
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'giving' },
      { id: 'two', tool: 'giving', when },
      { id: 'three', tool: 'giving', when },
      { id: 'four', tool: 'giving', needs: ['two', 'three'], join: 'any' },
    ]);
    await use(deps, run_id, 'one');
    const all = await Promise.all(['two', 'two', 'three', 'three'].map((step) => use(deps, run_id, step)));
    for (const { status } of all) expect(status).toBe('skipped');
    // The step that needs either is lost with the second of them, and exactly one of both says so first.
    expect(all.flatMap(({ skipped }) => skipped)).toContain('four');
    expect(await stepOf(test_db.db, run_id, 'four')).toMatchObject({ status: 'skipped' });
    expect((await factsOf(run_id)).filter(([type]) => type === 'step.skipped')).toHaveLength(3);
  });

  test('that skip at once see what the other decided', async () => {
    const deps = depsWith(test_db.db, [pure('giving', () => Promise.resolve({ n: 1 }))]);
    const when = { ref: 'one.n', op: 'eq', value: 2 } as const;
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'giving' },
      { id: 'two', tool: 'giving', when },
      { id: 'three', tool: 'giving', when },
      { id: 'four', tool: 'giving', needs: ['two', 'three'], join: 'any' },
    ]);
    await use(deps, run_id, 'one');
    // Holds the row of the run: both have decided, or wait to decide, before either is committed.
    const { opened, open } = gate();
    const holds = gate();
    const holder = test_db.db.transaction(async (tx) => {
      await tx.query('select 1 from runs where id = $1 for no key update', [run_id]);
      holds.open();
      await opened;
    });
    await holds.opened;
    const both = ['two', 'three'].map((step) => use(deps, run_id, step));
    await blocked(test_db.owner, 2);
    open();
    const results = await Promise.all(both);
    await holder;
    expect(results.flatMap(({ skipped }) => skipped)).toEqual(['four']);
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('step.skipped four');
  });
});

describe('a step that a run ends meanwhile', () => {
  const ending = { status: 'cancelled', by: 'temporal' } as const;

  test('makes no effect any more', async () => {
    const calls = { made: 0 };
    const deps = depsWith(test_db.db, [noting(calls)]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'noting' }]);
    const db = interrupted(test_db.db, () => endRun(test_db.db, { run_id, ending }, 'e'));
    await expect(use({ ...deps, db }, run_id, 'one')).rejects.toMatchObject({ code: 'superseded' });
    expect(await effectsOf(run_id)).toEqual([]);
    expect(calls.made).toBe(0);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'cancelled', output: null });
    expect((await typesOf(test_db.db, run_id)).slice(-2)).toEqual(['step.cancelled one', 'run.cancelled']);
  });

  test.each(['instant', 'tools'] as const)('stores no output any more (%s)', async (lane) => {
    const giving = pure('giving', async () => endRun(test_db.db, { run_id, ending }, 'e'), { lane });
    const deps = depsWith(test_db.db, [giving]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'giving' }]);
    await expect(use(deps, run_id, 'one')).rejects.toMatchObject({ code: 'superseded' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'cancelled', output: null });
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('run.cancelled');
  });

  test('stores no failure any more', async () => {
    const failing = pure('failing', async () => {
      await endRun(test_db.db, { run_id, ending }, 'e');
      throw new Error('too late');
    });
    const deps = depsWith(test_db.db, [failing]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'failing' }]);
    await expect(use(deps, run_id, 'one')).rejects.toMatchObject({ code: 'superseded' });
    expect(await factsOf(run_id)).toEqual([['step.cancelled']]);
  });
});

describe('a slow step', () => {
  interface Call {
    resolve: (output: unknown) => void;
    reject: (error: Error) => void;
    attempt: number;
  }
  const calls: Call[] = [];
  const starts: Promise<unknown>[] = [];
  afterEach(async () => {
    for (const call of calls) call.reject(new Error('The test is over.'));
    await Promise.allSettled(starts);
  });

  /** A tool whose calls are answered from outside, in any order. */
  function awaited() {
    let called = gate();
    const tool = pure(
      'awaited',
      (_input, { attempt }) =>
        new Promise((resolve, reject) => {
          calls.push({ resolve, reject, attempt });
          called.open();
        }),
      { lane: 'tools', timeout_s: 30 },
    );
    /** The next call, once it was made. */
    const next = async () => {
      await called.opened;
      called = gate();
      return calls.at(-1)!;
    };
    return { tool, next };
  }

  async function begun() {
    const { tool, next } = awaited();
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'awaited' }]);
    const start = async () => {
      const result = use(deps, run_id, 'one');
      result.catch(() => undefined); // asked for later
      starts.push(result);
      return { result, call: await next() };
    };
    return { run_id, deps, start };
  }

  test('says that it began before its tool is called', async () => {
    const { run_id, start } = await begun();
    const { call, result } = await start();
    expect(await factsOf(run_id)).toEqual([['step.started', 1]]);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'running', fence: 1 });
    call.resolve('done');
    expect(await result).toMatchObject({ status: 'completed' });
    expect(await factsOf(run_id)).toEqual([['step.started', 1], ['step.completed']]);
  });

  test('refuses the late output of a start that was given up, and keeps that of the newer one', async () => {
    const { run_id, start } = await begun();
    const zombie = await start();
    const newer = await start();
    expect(newer.call.attempt).toBe(2);
    zombie.call.resolve('late');
    await expect(zombie.result).rejects.toMatchObject({ code: 'superseded' });
    const lost = [
      ['step.started', 1],
      ['step.retrying', 1, 'worker_lost'],
      ['step.started', 2],
    ];
    expect(await factsOf(run_id)).toEqual(lost);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({
      status: 'running',
      output: null,
      fence: 2,
    });
    newer.call.resolve('newer');
    expect(await newer.result).toMatchObject({ status: 'completed' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ output: 'newer' });
    expect(await factsOf(run_id)).toEqual([...lost, ['step.completed']]);
  });

  test('tells a start that was given up what the newer one came to', async () => {
    const { run_id, start } = await begun();
    const zombie = await start();
    const newer = await start();
    newer.call.resolve('newer');
    await newer.result;
    zombie.call.resolve('late');
    expect(await zombie.result).toMatchObject({ status: 'completed' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ output: 'newer' });
  });

  test('refuses the late failure of a start that was given up', async () => {
    const { run_id, start } = await begun();
    const zombie = await start();
    const newer = await start();
    zombie.call.reject(new Error('late'));
    await expect(zombie.result).rejects.toMatchObject({ code: 'superseded' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({
      status: 'running',
      tries: 0,
      failure: null,
    });
    newer.call.resolve('newer');
    await newer.result;
    expect((await factsOf(run_id)).at(-1)).toEqual(['step.completed']);
  });

  test('numbers its tries alike in every event, lost ones too', async () => {
    const { run_id, start } = await begun();
    await start();
    const second = await start();
    second.call.reject(new Error('fails'));
    await expect(second.result).rejects.toMatchObject({ type: 'tool_error' });
    const third = await start();
    expect(third.call.attempt).toBe(3);
    third.call.resolve('done');
    await third.result;
    expect(await factsOf(run_id)).toEqual([
      ['step.started', 1],
      ['step.retrying', 1, 'worker_lost'],
      ['step.started', 2],
      ['step.retrying', 2, 'tool_error'],
      ['step.started', 3],
      ['step.completed'],
    ]);
  });

  test('tells of a lost start that began between its look and its own number', async () => {
    const { tool, next } = awaited();
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'awaited' }]);
    const db = interrupted(test_db.db, async () => {
      starts.push(use(deps, run_id, 'one').catch(() => undefined));
      await next();
    });
    const result = use({ ...deps, db }, run_id, 'one');
    await eventually(async () => (await stepOf(test_db.db, run_id, 'one'))['fence'] === 2, {
      what: 'the second start',
    });
    (await next()).resolve('done');
    await result;
    expect(await factsOf(run_id)).toEqual([
      ['step.started', 1],
      ['step.retrying', 1, 'worker_lost'],
      ['step.started', 2],
      ['step.completed'],
    ]);
  });

  test('is given up when it has cost too many workers', async () => {
    const calls = { made: 0 };
    const deadly = pure('deadly', () => new Promise(() => (calls.made += 1)), { lane: 'tools' });
    const deps = depsWith(test_db.db, [deadly]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'deadly' }]);
    const ref = { run_id, plan_version: 1, step_id: 'one' };
    for (let lost = 0; lost < 11; lost += 1) await test_db.db.transaction((tx) => takeFence(tx, ref, 'lost'));
    expect(await use(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(calls.made).toBe(0);
    expect((await factsOf(run_id)).slice(-2)).toEqual([
      ['step.started', 12],
      ['step.failed', 'worker_lost'],
    ]);
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({ data: { attempts: 12 } });
  });

  test('does not count tries that the tool reported as lost workers', async () => {
    const { run_id, start } = await begun();
    await test_db.db.query(`update steps set fence = 15, tries = 10, status = 'retrying' where run_id = $1`, [
      run_id,
    ]);
    const { call, result } = await start();
    expect(call.attempt).toBe(16);
    call.resolve('done');
    expect(await result).toMatchObject({ status: 'completed' });
  });

  test('with a transactional tool makes its effect under its own number alone', async () => {
    const calls = { made: 0 };
    const deps = depsWith(test_db.db, [noting(calls, { lane: 'tools' })]);
    const run_id = await newRun(test_db.db, { plan: { steps: [{ id: 'one', tool: 'noting', input: {} }] } });
    await draftPlan(deps, { run_id, round: 1 }, 'e');
    let transactions = 0;
    const db = {
      ...test_db.db,
      // A newer start takes its number between the start's own number and its call.
      async transaction<T>(work: Parameters<typeof test_db.db.transaction<T>>[0]) {
        transactions += 1;
        if (transactions === 2) await use(deps, run_id, 'one');
        return test_db.db.transaction(work);
      },
    };
    expect(await use({ ...deps, db }, run_id, 'one')).toMatchObject({ status: 'completed' });
    expect(await effectsOf(run_id)).toHaveLength(1);
    const other = await plannedRun(deps, [{ id: 'one', tool: 'noting' }]);
    const ref = { run_id: other, plan_version: 1, step_id: 'one' };
    let seen = 0;
    const overtaken = {
      ...test_db.db,
      async transaction<T>(work: Parameters<typeof test_db.db.transaction<T>>[0]) {
        seen += 1;
        if (seen === 2) await test_db.db.transaction((tx) => takeFence(tx, ref, 'newer'));
        return test_db.db.transaction(work);
      },
    };
    await expect(use({ ...deps, db: overtaken }, other, 'one')).rejects.toMatchObject({ code: 'superseded' });
    expect(await effectsOf(other)).toEqual([]);
  });
});
