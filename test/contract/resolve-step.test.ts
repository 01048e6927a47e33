import type { Refusal } from '../../src/contracts/refusal';
import type { ResolveStep } from '../../src/contracts/restart';
import { createInputCheck } from '../../src/planning/input-check';
import { resolveStep } from '../../src/runs/resolve';
import { readWishes } from '../../src/activities/read-wishes';
import { endRun } from '../../src/runs/end-run';
import { depsWith, outside, plannedRun, start, stepOf, use, type ShortStep } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventsOf, reopen, rowOf, typesOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** Workflows that were woken. */
let woken: string[];
/** Calls of the tool; the first of each step ends without a word on its effect. */
let calls: string[];
beforeEach(() => {
  woken = [];
  calls = [];
});

const output_schema = { type: 'object', properties: { sent: { type: 'boolean' } }, required: ['sent'] };
const send = outside(
  'unsafe',
  'send',
  async (_input, { step_id }) => {
    calls.push(step_id);
    if (calls.filter((id) => id === step_id).length === 1) throw new Error('socket hang up');
    return { sent: true };
  },
  { output_schema },
);
const deps = () => depsWith(test_db.db, [send]);
const SEND: ShortStep = { id: 'one', tool: 'send' };

function resolve(run_id: string, said: ResolveStep, step_id = 'one', tenant = 'tenant'): Promise<void> {
  return resolveStep(
    {
      records: test_db.db.of(tenant),
      workflows: { look: async (id) => void woken.push(id) },
      tools: deps().tools.catalogue,
      checkInput: createInputCheck(),
      onNotWoken: (_id, error) => {
        throw error;
      },
    },
    { tenant, run_id, step_id, actor: 'key_1', said },
  );
}
const refusal = (code: string) => expect.objectContaining({ code }) as Refusal;
const DONE: ResolveStep = { outcome: 'done', output: { sent: true }, reason: 'It is in the outbox.' };
const NOT_DONE: ResolveStep = { outcome: 'not_done', reason: 'The outbox is empty.' };

async function askingRun(steps: ShortStep[] = [SEND]): Promise<string> {
  const run_id = await plannedRun(deps(), steps);
  for (const { id } of steps) expect(await start(deps(), run_id, id)).toMatchObject({ status: 'waiting' });
  return run_id;
}

describe('A person who answers whether an effect happened', () => {
  test('done: the step completes with the output, no tool is called, the run goes on and is woken', async () => {
    const run_id = await askingRun();
    expect(await readWishes(deps(), { run_id }, 'e')).toMatchObject({ wish: null, waiting: ['one'] });
    await resolve(run_id, DONE);
    expect(woken).toEqual([run_id]);
    expect(await readWishes(deps(), { run_id }, 'e')).toMatchObject({ wish: null, waiting: [] });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'running', phase: 'executing' });
    expect(await use(deps(), run_id, 'one')).toMatchObject({ status: 'completed', wish: null });
    expect(calls).toEqual(['one']);
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ output: { sent: true }, failure: null });
    const events = await eventsOf(test_db.db, run_id);
    expect(events.slice(-3)).toMatchObject([
      { type: 'step.resolved', data: { outcome: 'done', actor: 'key_1', reason: DONE.reason } },
      { type: 'step.completed', data: { output: { sent: true }, reused: true } },
      { type: 'run.status', data: { status: 'running', previous: 'waiting' } },
    ]);
  });

  test('not done: the tool is called again', async () => {
    const run_id = await askingRun();
    await resolve(run_id, NOT_DONE);
    expect(await use(deps(), run_id, 'one')).toMatchObject({ status: 'completed' });
    expect(calls).toEqual(['one', 'one']);
    const effects = await test_db.db.query('select status, output from effects where effect_scope = $1', [
      run_id,
    ]);
    expect(effects).toEqual([{ status: 'done', output: { sent: true } }]);
  });

  test('may be asked again, about the next call', async () => {
    const run_id = await askingRun();
    await resolve(run_id, NOT_DONE);
    calls = []; // the next call is lost too
    expect(await start(deps(), run_id, 'one')).toMatchObject({ status: 'waiting' });
    await resolve(run_id, DONE);
    expect(await use(deps(), run_id, 'one')).toMatchObject({ status: 'completed' });
    expect((await typesOf(test_db.db, run_id)).filter((type) => type === 'step.resolved one')).toHaveLength(
      2,
    );
  });

  test('leaves the run waiting while another question is open, whoever answers at the same time', async () => {
    const steps = ['one', 'two', 'three'].map((id) => ({ ...SEND, id }));
    const run_id = await askingRun(steps);
    await resolve(run_id, DONE, 'three');
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'waiting' });
    await Promise.all(['one', 'two'].map((id) => resolve(run_id, DONE, id)));
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'running' });
    const types = await typesOf(test_db.db, run_id);
    // Told once each: that the run began, carries out, waits, goes on.
    expect(types.filter((type) => type === 'run.status')).toHaveLength(4);
  });

  test('twice at once is heard once', async () => {
    const run_id = await askingRun();
    const both = await Promise.allSettled([resolve(run_id, DONE), resolve(run_id, NOT_DONE)]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(both.filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: refusal('invalid_state') },
    ]);
  });

  test.each([1, 2])('is heard by a try that looks at the step just then: after look %i', async (look) => {
    const run_id = await askingRun();
    let looks = 0;
    const { db, ...others } = deps();
    const query: typeof db.query = async (text, values) => {
      const rows = await db.query(text, values);
      if (text.includes('as step_attempt') && (looks += 1) === look) await resolve(run_id, NOT_DONE);
      return rows as never;
    };
    const tried = start({ ...others, db: { ...db, query } }, run_id, 'one');
    expect(await tried).toMatchObject({ status: 'completed' });
  });

  test('wakes the run until it goes on with it: an execution from before a Reset does not end that', async () => {
    const run_id = await askingRun();
    await reopen(test_db.db, run_id);
    await resolve(run_id, NOT_DONE);
    await expect(start(deps(), run_id, 'one')).rejects.toEqual(refusal('superseded'));
    const wishes = await test_db.db.query('select closed_at from wishes where run_id = $1', [run_id]);
    expect(wishes).toEqual([{ closed_at: null }]);
  });

  test('of a step that waits for nothing, or is not there, changes nothing', async () => {
    const run_id = await plannedRun(deps(), [SEND]);
    const before = await rowOf(test_db.db, run_id);
    await expect(resolve(run_id, DONE)).rejects.toEqual(refusal('invalid_state'));
    await expect(resolve(run_id, DONE, 'two')).rejects.toEqual(refusal('not_found'));
    await expect(resolve(run_id, DONE, 'one', 'another')).rejects.toEqual(refusal('not_found'));
    expect(await rowOf(test_db.db, run_id)).toEqual(before);
    expect(woken).toEqual([]);
  });

  test.each([
    ['no output', undefined],
    ['text', 'sent'],
    ['a field of another type', { sent: 'yes' }],
    ['more than an output may have', { sent: true, more: 'x'.repeat(5_000) }],
  ])('with an output that the tool could not have returned is refused: %s', async (_what, output) => {
    const run_id = await askingRun();
    const said: ResolveStep = { outcome: 'done', reason: 'I say so.', output };
    await expect(resolve(run_id, said)).rejects.toMatchObject({
      code: 'invalid_request',
      parts: [{ pointer: expect.stringMatching(/^\/output/) as string }],
    });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ status: 'waiting' });
  });

  test('without the output that the tool promises is told that it is missing', async () => {
    const run_id = await askingRun();
    await expect(resolve(run_id, { outcome: 'done', reason: 'I say so.' })).rejects.toMatchObject({
      parts: [
        {
          pointer: '/output',
          code: 'missing',
          detail: expect.stringContaining('would have returned') as string,
        },
      ],
    });
  });

  test('after the run has ended is too late: the question is over, what is known of the effect stays', async () => {
    const run_id = await askingRun();
    await endRun(
      test_db.db,
      {
        run_id,
        ending: { status: 'timed_out', limit: { kind: 'max_wait_s', value: 1 } },
      },
      'e',
    );
    await expect(resolve(run_id, DONE)).rejects.toEqual(refusal('invalid_state'));
    const effects = await test_db.db.query('select status from effects where effect_scope = $1', [run_id]);
    expect(effects).toEqual([{ status: 'unknown' }]);
  });
});
