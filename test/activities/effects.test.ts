import type { ActivityDeps } from '../../src/activities';
import type { ToolContext } from '../../src/tools/tool';
import { endRun } from '../../src/runs/end-run';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { depsWith, outside, plannedRun, start, stepOf, use, type ShortStep } from '../support/activities';
import { eventually } from '../support/eventually';
import { gate, rowOf, typesOf, eventsOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(async () => {
  killed.abort();
  await Promise.all(dead);
  await test_db.drop();
});

/** Starts of workers that were killed: in this process they end with the tests. */
const dead: Promise<unknown>[] = [];
const killed = new AbortController();

const SEND: ShortStep = { id: 'send', tool: 'send', input: { to: 'a' } };

/** A tool that keeps what it was called with, and answers as it is told, call by call. */
function recorded(effect: 'idempotent' | 'unsafe', answers: (() => Promise<unknown>)[], more = {}) {
  const calls: ToolContext[] = [];
  const tool = outside(
    effect,
    'send',
    (_input, context) => {
      calls.push(context);
      const answer = answers.shift();
      if (answer === undefined) throw new Error('The tool was called once too often.');
      return answer();
    },
    more,
  );
  return { tool, calls, deps: depsWith(test_db.db, [tool]) };
}

const sent = () => Promise.resolve({ sent: true });
const lost = () => Promise.reject(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
const effectsOf = (run_id: string) =>
  test_db.db.query<Record<string, unknown>>(
    'select key, status, output, fence from effects where effect_scope = $1',
    [run_id],
  );

/** Begins a step as a worker does that is killed while its tool is called: nothing more is heard of it. */
async function cutOff(deps: ActivityDeps, run_id: string): Promise<void> {
  const { open, opened } = gate();
  const hanging = { ...deps.tools.get('send')!, call: () => (open(), new Promise<never>(() => undefined)) };
  const other = depsWith(test_db.db, [hanging as never]);
  dead.push(start(other, run_id, 'send', killed.signal).catch((error: unknown) => error));
  await opened;
}

describe('An idempotent tool', () => {
  test('gets the same key in every try, and makes its effect under it', async () => {
    const { deps, calls } = recorded('idempotent', [lost, sent]);
    const run_id = await plannedRun(deps, [SEND]);
    await expect(start(deps, run_id, 'send')).rejects.toMatchObject({ type: 'tool_error' });
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'completed' });
    const [first, second] = calls.map(({ idempotency_key }) => idempotency_key);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toBe(first);
    expect(await effectsOf(run_id)).toEqual([
      { key: first, status: 'done', output: { sent: true }, fence: 2 },
    ]);
  });

  test('is called again with its key after its worker was killed in the call', async () => {
    const { deps, calls } = recorded('idempotent', [sent]);
    const run_id = await plannedRun(deps, [SEND]);
    await cutOff(deps, run_id);
    const [{ key }] = (await effectsOf(run_id)) as [{ key: string }];
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'completed' });
    expect(calls.map(({ idempotency_key }) => idempotency_key)).toEqual([key]);
  });

  test('has keys of its own for each run, step and input', async () => {
    const { deps, calls } = recorded('idempotent', [sent, sent, sent, sent]);
    const steps = [SEND, { ...SEND, id: 'again' }, { ...SEND, id: 'other', input: { to: 'b' } }];
    const run_id = await plannedRun(deps, steps);
    for (const { id } of steps) await use(deps, run_id, id);
    await use(deps, await plannedRun(deps, [SEND]), 'send');
    expect(new Set(calls.map(({ idempotency_key }) => idempotency_key)).size).toBe(4);
  });

  test('whose call is known to be done, by a start that could store no outcome, is not called', async () => {
    const { deps, calls } = recorded('idempotent', [sent]);
    const run_id = await plannedRun(deps, [SEND]);
    // It dies between the note that the effect was made and the step's outcome.
    const dying = { ...deps, db: { ...deps.db, query: diesAt('record_step') } };
    await expect(start(dying, run_id, 'send')).rejects.toThrow('died');
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'completed' });
    expect(calls).toHaveLength(1);
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({ output: { sent: true } });
    expect(await eventsOf(test_db.db, run_id)).toContainEqual(
      expect.objectContaining({
        type: 'step.completed',
        data: { output: { sent: true }, duration_ms: 0, reused: true },
      }),
    );
  });

  test('of an older start cannot change what a newer one has noted', async () => {
    const { open, opened } = gate();
    const late = () => opened.then(() => ({ sent: 'late' }));
    const { deps } = recorded('idempotent', [late, sent]);
    const run_id = await plannedRun(deps, [SEND]);
    const zombie = start(deps, run_id, 'send');
    await waitForCall(run_id);
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'completed' });
    open();
    expect(await zombie).toMatchObject({ status: 'completed' }); // it is told what is stored
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({ output: { sent: true }, fence: 2 });
    expect(await effectsOf(run_id)).toMatchObject([{ output: { sent: true }, fence: 2 }]);
  });
});

describe('An unsafe tool', () => {
  test('is called once, and a later try asks a person where the call was cut off', async () => {
    const { deps, calls } = recorded('unsafe', []);
    const run_id = await plannedRun(deps, [SEND]);
    await cutOff(deps, run_id);
    const waiting = { step_id: 'send', status: 'waiting', wish: null };
    expect(await start(deps, run_id, 'send')).toEqual(waiting);
    expect(await start(deps, run_id, 'send')).toEqual(waiting); // told again
    expect(calls).toEqual([]);
    expect(await effectsOf(run_id)).toMatchObject([{ status: 'unknown' }]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ status: 'waiting', phase: 'attention' });
    const types = await typesOf(test_db.db, run_id);
    expect(types.slice(-4)).toEqual([
      'step.started send',
      'step.retrying send', // the first start was lost
      'step.needs_attention send',
      'run.status',
    ]);
  });

  test('whose call ends without a word on the effect is not called again: a person is asked at once', async () => {
    const { deps, calls } = recorded('unsafe', [lost]);
    const run_id = await plannedRun(deps, [SEND]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
    expect(calls).toHaveLength(1);
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({
      status: 'waiting',
      failure: { code: 'outcome_unknown', cause: { code: 'tool_error', message: 'socket hang up' } },
    });
  });

  test('that does not end in time is not called again either', async () => {
    const { deps } = recorded('unsafe', [() => new Promise(() => undefined)], { timeout_s: 0.01 });
    const run_id = await plannedRun(deps, [SEND]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({
      failure: { cause: { code: 'tool_timeout' } },
    });
  });

  test('is tried again after it has said that nothing was done', async () => {
    const refused = () => Promise.reject(Object.assign(new Error('not connected'), { not_done: true }));
    const { deps, calls } = recorded('unsafe', [refused, sent]);
    const run_id = await plannedRun(deps, [SEND]);
    await expect(start(deps, run_id, 'send')).rejects.toMatchObject({ type: 'tool_error' });
    expect(await effectsOf(run_id)).toEqual([]);
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'completed' });
    expect(calls).toHaveLength(2);
  });

  test.each([
    ['a code of the table that another try does not cure', { code: 'invalid_input' }],
    ['a name it declares', { name: 'CardDeclined' }],
    ['a code it declares', { code: 'E_DECLINED' }],
  ])('fails at once by %s', async (_how, members) => {
    const declined = () => Promise.reject(Object.assign(new Error('no'), members));
    const { deps, calls } = recorded('unsafe', [declined], { non_retryable: ['CardDeclined', 'E_DECLINED'] });
    const run_id = await plannedRun(deps, [SEND]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'failed' });
    expect(calls).toHaveLength(1);
    expect(await effectsOf(run_id)).toEqual([]); // a restart may call it
  });

  test.each(['outcome_unknown', 'invalid_output', 'internal'])(
    'that ends by the code %s, which says nothing of its effect, asks a person',
    async (code) => {
      const { deps } = recorded('unsafe', [
        () => Promise.reject(Object.assign(new Error('what?'), { code })),
      ]);
      const run_id = await plannedRun(deps, [SEND]);
      expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
      expect(await effectsOf(run_id)).toMatchObject([{ status: 'unknown' }]);
    },
  );

  test('that does not end in time asks a person, also where it declares that another try is of no use then', async () => {
    const hang = () => new Promise(() => undefined);
    const { deps } = recorded('unsafe', [hang], { timeout_s: 0.01, non_retryable: ['tool_timeout'] });
    const run_id = await plannedRun(deps, [SEND]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
    expect(await effectsOf(run_id)).toMatchObject([{ status: 'unknown' }]);
  });

  test('whose output cannot be kept has taken effect all the same', async () => {
    const { deps } = recorded('unsafe', [() => Promise.resolve({ much: 'x'.repeat(5_000) })]);
    const run_id = await plannedRun(deps, [SEND]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'failed' });
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({ failure: { code: 'output_too_large' } });
    expect(await effectsOf(run_id)).toMatchObject([{ status: 'done', output: null }]);
    // As an operator's Reset has it: the step is to be carried out again.
    await test_db.db.query(`update steps set status = 'pending' where run_id = $1`, [run_id]);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
    const message = expect.stringMatching(/^An earlier call took effect; what it returned/) as string;
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({ failure: { message } });
  });

  test('that wakes up after a person was asked changes nothing', async () => {
    const { open, opened } = gate();
    const { deps } = recorded('unsafe', [() => opened.then(() => ({ sent: 'late' }))]);
    const run_id = await plannedRun(deps, [SEND]);
    const zombie = start(deps, run_id, 'send');
    await waitForCall(run_id);
    expect(await start(deps, run_id, 'send')).toMatchObject({ status: 'waiting' });
    open();
    expect(await zombie).toMatchObject({ status: 'waiting' });
    expect(await effectsOf(run_id)).toMatchObject([{ status: 'unknown', output: null }]);
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({ status: 'waiting', output: null });
  });

  test('that is under way when its run ends is said to be in doubt', async () => {
    const { deps } = recorded('unsafe', []);
    const run_id = await plannedRun(deps, [SEND, { ...SEND, id: 'next', needs: ['send'] }]);
    await cutOff(deps, run_id);
    await endRun(test_db.db, { run_id, ending: { status: 'cancelled', by: 'temporal' } }, 'e');
    const reasons = (await eventsOf(test_db.db, run_id)).flatMap(({ type, step_id, data }) =>
      type === 'step.cancelled' ? [[step_id, (data as { reason: string }).reason]] : [],
    );
    expect(reasons).toEqual([
      ['send', 'The run was cancelled. Whether its tool took effect is not known.'],
      ['next', 'The run was cancelled.'],
    ]);
  });

  test('that ends while its run is cancelled is noted as done', async () => {
    const { open, opened } = gate();
    const { deps } = recorded('unsafe', [() => opened.then(() => ({ sent: true }))]);
    const run_id = await plannedRun(deps, [SEND]);
    const call = start(deps, run_id, 'send');
    await waitForCall(run_id);
    await test_db.db.query(`update steps set status = 'cancelled', fence = fence + 1 where run_id = $1`, [
      run_id,
    ]);
    open();
    await expect(call).rejects.toMatchObject({ code: 'superseded' });
    expect(await effectsOf(run_id)).toMatchObject([{ status: 'done', output: { sent: true } }]);
  });
});

describe('The output of a tool with a schema for it', () => {
  test.each(['idempotent', 'unsafe'] as const)('is refused when it does not fit: %s', async (effect) => {
    const output_schema = { type: 'object', properties: { sent: { type: 'boolean' } }, required: ['sent'] };
    const { deps } = recorded(effect, [() => Promise.resolve({ sent: 'yes' })], { output_schema });
    const run_id = await plannedRun(deps, [SEND]);
    expect(await use(deps, run_id, 'send')).toMatchObject({ status: 'failed' });
    expect(await stepOf(test_db.db, run_id, 'send')).toMatchObject({
      failure: { code: 'invalid_output', message: expect.stringContaining('/sent') as string },
    });
  });
});

describe('A tool that tells how far it has come', () => {
  test('is heard while it works, the newest word of each moment, and never after its outcome', async () => {
    const { open, opened } = gate();
    const tool = outside('idempotent', 'send', async (_input, { progress }) => {
      for (let i = 0; i <= 1_000; i += 1) progress(i / 1_000, `part ${i}`);
      progress(Number.NaN);
      progress(null, undefined);
      await opened;
      progress(1, 'too late to matter');
      return {};
    });
    const deps = depsWith(test_db.db, [tool]);
    const run_id = await plannedRun(deps, [SEND]);
    const done = use(deps, run_id, 'send');
    const words = async () =>
      (await eventsOf(test_db.db, run_id)).filter(({ type }) => type === 'step.progress');
    await eventually(async () => (await words()).length > 0);
    open();
    await done;
    expect(await words()).toEqual([
      expect.objectContaining({ step_id: 'send', data: { attempt: 1, ratio: 1, message: 'part 1000' } }),
    ]);
    expect((await typesOf(test_db.db, run_id)).at(-1)).toBe('step.completed send');
  });
});

async function waitForCall(run_id: string): Promise<void> {
  await eventually(async () => (await effectsOf(run_id)).length > 0);
}

function diesAt(statement: string): TestDatabase['db']['query'] {
  return (text, values) => {
    if (text.includes(statement)) throw new Error('died');
    return test_db.db.query(text, values);
  };
}
