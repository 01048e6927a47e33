import { carryOutInstantly, type Chain } from '../../src/activities/carry-out-instantly';
import { Refusal } from '../../src/contracts/refusal';
import type { StepResults } from '../../src/contracts/step-result';
import { cancelRun } from '../../src/runs/cancel';
import type { ShortStep } from '../support/activities';
import { ECHO, depsWith, plannedRun, pure, stepOf, transactional } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows, fakeWriter } from '../support/fakes';
import { RULES, eventsOf, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const SLOW = pure('slow', () => Promise.resolve({}), { lane: 'tools' });

/** Carries the instant steps of a run out, from where its workflow stands. */
async function carryOut(
  deps: ReturnType<typeof depsWith>,
  run_id: string,
  at: Partial<Chain> = {},
): Promise<StepResults> {
  const [plan] = await test_db.db.query<Pick<Chain, 'outline'>>(
    'select outline from plans where run_id = $1',
    [run_id],
  );
  const chain = { run_id, outline: plan!.outline, rules: RULES, ended: [], running: [], ...at };
  return carryOutInstantly(deps, chain, { execution: 'e', cancelled: new AbortController().signal });
}
const cancel = (run_id: string) =>
  cancelRun(
    { records: test_db.db, workflows: fakeWorkflows(), onNotWoken: () => undefined },
    { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1' },
  );
const idsOf = ({ ended }: StepResults) => ended.map(({ step_id, status }) => `${step_id} ${status}`);
const DIAMOND: ShortStep[] = [
  { id: 'a', tool: 'echo', input: { n: 1 } },
  { id: 'b', tool: 'echo', input: { n: 2 } },
  { id: 'sum', tool: 'echo', input: { a: '{a.n}', b: '{b.n}' } },
];

describe('instant work', () => {
  test('goes on to what becomes startable, each step a checkpoint of its own, and returns it all again without a call', async () => {
    let calls = 0;
    const counting = pure('echo', (input) => Promise.resolve(input).finally(() => (calls += 1)));
    const deps = depsWith(test_db.db, [counting]);
    const run_id = await plannedRun(deps, DIAMOND);
    const results = await carryOut(deps, run_id);
    expect(idsOf(results)).toEqual(['a completed', 'b completed', 'sum completed']);
    expect(results).toMatchObject({ again: null, answered: false });
    expect(await stepOf(test_db.db, run_id, 'sum')).toMatchObject({ output: { a: 1, b: 2 } });
    const before = await eventsOf(test_db.db, run_id);
    expect(await typesOf(test_db.db, run_id)).toEqual(
      expect.arrayContaining(['step.completed a', 'step.completed b', 'step.completed sum']),
    );
    expect(await carryOut(deps, run_id)).toEqual(results);
    expect(await eventsOf(test_db.db, run_id)).toEqual(before);
    expect(calls).toBe(3);
  });

  test('tells every skip once, also when it finds all of them stored', async () => {
    const deps = depsWith(test_db.db, [
      pure('failing', () => Promise.reject(new Error('no')), { max_attempts: 1 }),
    ]);
    const pairs = Array.from({ length: 8 }, (_, at): ShortStep[] => [
      { id: `failing_${at}`, tool: 'failing', on_failure: 'continue' },
      { id: `skipped_${at}`, tool: 'failing', needs: [`failing_${at}`] },
    ]);
    const run_id = await plannedRun(deps, pairs.flat());
    const skips = (results: StepResults) => results.ended.flatMap(({ skipped }) => skipped).sort();
    const skipped = pairs.map(([, dependant]) => dependant!.id);
    expect(skips(await carryOut(deps, run_id))).toEqual(skipped);
    expect(skips(await carryOut(deps, run_id))).toEqual(skipped);
  });

  test('goes on from where the workflow stands', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, DIAMOND);
    expect(idsOf(await carryOut(deps, run_id, { running: ['b'] }))).toEqual(['a completed']);
    expect(idsOf(await carryOut(deps, run_id, { ended: [['a', 'completed']] }))).toEqual([
      'b completed',
      'sum completed',
    ]);
  });

  test('comes back as soon as a slow step may start', async () => {
    const deps = depsWith(test_db.db, [ECHO, SLOW]);
    const run_id = await plannedRun(deps, [
      { id: 'a', tool: 'echo' },
      { id: 'slow', tool: 'slow', needs: ['a'] },
      { id: 'b', tool: 'echo' },
    ]);
    expect(idsOf(await carryOut(deps, run_id))).toEqual(['a completed']);
    // Started, or without room to start, it is nothing to come back for.
    const ended: Chain['ended'] = [['a', 'completed']];
    expect(idsOf(await carryOut(deps, run_id, { ended, running: ['slow'] }))).toEqual(['b completed']);
  });

  test('stops at a failure that the plan cannot do without', async () => {
    const bad = pure('bad', () => Promise.reject(new Refusal('todo_not_found', 'No.')));
    const deps = { ...depsWith(test_db.db, [ECHO, bad]), writer: { ...fakeWriter(), instant: true } };
    const run_id = await plannedRun(deps, [
      { id: 'bad', tool: 'bad' },
      { id: 'other', tool: 'echo' },
    ]);
    expect(idsOf(await carryOut(deps, run_id))).toEqual(['bad failed']);
    expect(await stepOf(test_db.db, run_id, 'other')).toMatchObject({ status: 'pending' });
    // Also where nothing else is left: a run that failed has no answer.
    const ended: Chain['ended'] = [['other', 'completed']];
    expect(await carryOut(deps, run_id, { ended })).toMatchObject({ answered: false });
  });

  test('goes on without what may fail and what was skipped for it', async () => {
    const bad = pure('bad', () => Promise.reject(new Refusal('todo_not_found', 'No.')));
    const deps = { ...depsWith(test_db.db, [ECHO, bad]), writer: { ...fakeWriter('so far'), instant: true } };
    const run_id = await plannedRun(deps, [
      { id: 'bad', tool: 'bad', on_failure: 'continue' },
      { id: 'needs_it', tool: 'echo', needs: ['bad'] },
      { id: 'other', tool: 'echo' },
    ]);
    const results = await carryOut(deps, run_id);
    expect(idsOf(results)).toEqual(['bad failed', 'other completed']);
    expect(results).toMatchObject({ answered: true, ended: [{ skipped: ['needs_it'] }, {}] });
  });

  test('comes back with a step that is to be tried again, and what ended before', async () => {
    const flaky = pure('flaky', () => Promise.reject(new Error('once more')));
    const deps = depsWith(test_db.db, [ECHO, flaky]);
    const run_id = await plannedRun(deps, [
      { id: 'a', tool: 'echo' },
      { id: 'flaky', tool: 'flaky' },
      { id: 'b', tool: 'echo' },
    ]);
    const results = await carryOut(deps, run_id);
    expect(idsOf(results)).toEqual(['a completed']);
    expect(results.again).toEqual({ step_id: 'flaky', pause_ms: 250 });
    expect(await stepOf(test_db.db, run_id, 'flaky')).toMatchObject({ status: 'retrying', tries: 1 });
  });

  test('stops by a wish, without another effect', async () => {
    const wished = transactional('wished', async (_input, { run_id }) => {
      await cancel(run_id);
      return {};
    });
    const deps = { ...depsWith(test_db.db, [ECHO, wished]), writer: { ...fakeWriter(), instant: true } };
    const run_id = await plannedRun(deps, [
      { id: 'a', tool: 'wished' },
      { id: 'b', tool: 'echo', needs: ['a'] },
    ]);
    const results = await carryOut(deps, run_id);
    expect(results).toMatchObject({ ended: [{ step_id: 'a', wish: 'cancel' }], answered: false });
    expect(await stepOf(test_db.db, run_id, 'b')).toMatchObject({ status: 'pending' });
  });

  test('comes back after a second, with what it has', async () => {
    const late = pure('late', (input) => new Promise((resolve) => setTimeout(() => resolve(input), 1_050)));
    const deps = depsWith(test_db.db, [ECHO, late]);
    const run_id = await plannedRun(deps, [
      { id: 'a', tool: 'late' },
      { id: 'b', tool: 'echo' },
    ]);
    expect(idsOf(await carryOut(deps, run_id))).toEqual(['a completed']);
  });

  test('ends with the answer where nothing is left and the writer is instant; a repetition says so again', async () => {
    const writer = { ...fakeWriter('42'), instant: true };
    const deps = { ...depsWith(test_db.db, [ECHO]), writer };
    const run_id = await plannedRun(deps, DIAMOND);
    const ended: Chain['ended'] = [['a', 'completed']];
    expect(await carryOut(deps, run_id, { running: ['b'], ended: [] })).toMatchObject({ answered: false });
    expect(await carryOut(deps, run_id, { ended })).toMatchObject({ answered: true });
    expect(writer.requests).toMatchObject([{ steps: [{ id: 'a' }, { id: 'b' }, { id: 'sum' }] }]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'completed', answer: '42' });
    expect(await carryOut(deps, run_id, { ended })).toMatchObject({ answered: true });
    expect((await typesOf(test_db.db, run_id)).filter((type) => type === 'run.completed')).toHaveLength(1);
  });
});
