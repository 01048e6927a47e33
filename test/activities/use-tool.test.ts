import { ECHO, depsWith, plannedRun, pure, stepOf, transactional, use } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { RULES, eventsOf, rowOf, typesOf } from '../support/runs';
import { Interrupted } from '../../src/contracts/interrupted';
import { Refusal } from '../../src/contracts/refusal';
import type { PureTool } from '../../src/tools/tool';
import type { RunEvent } from '../../src/contracts/event';
import type { ShortStep } from '../support/activities';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** A tool that throws each of these in turn, then gives `{}`. */
function throwing(...thrown: unknown[]): PureTool {
  let calls = 0;
  return pure('throwing', () => {
    if (calls < thrown.length) return Promise.reject(thrown[calls++] as Error);
    return Promise.resolve({});
  });
}
const failing = (code: 'todo_not_found' | 'tool_error') =>
  pure('failing', () => Promise.reject(new Refusal(code, 'It fails.')), { max_attempts: 1 });

const of = (events: RunEvent[], step_id: string) => events.filter((event) => event.step_id === step_id);
const lastOf = async (run_id: string) => (await eventsOf(test_db.db, run_id)).at(-1);

/** Carries a step out twice: the second time everything stored is returned and nothing changes. */
async function twice(deps: ReturnType<typeof depsWith>, run_id: string, step_id: string) {
  const result = await use(deps, run_id, step_id);
  const before = [await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)];
  const again = await use(deps, run_id, step_id);
  expect([await rowOf(test_db.db, run_id), await eventsOf(test_db.db, run_id)]).toEqual(before);
  expect(again).toEqual(result);
  return result;
}

describe('a step', () => {
  test('is completed once; its outcome is returned again without a call', async () => {
    let calls = 0;
    const counting = pure('counting', (input, { tenant, attempt }) => {
      calls += 1;
      return Promise.resolve({ input, tenant, attempt });
    });
    const deps = depsWith(test_db.db, [counting]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'counting', input: { x: 1 } }]);
    expect(await twice(deps, run_id, 'one')).toEqual({
      step_id: 'one',
      status: 'completed',
      skipped: [],
      wish: null,
    });
    expect(calls).toBe(1);
    const output = { input: { x: 1 }, tenant: 'tenant', attempt: 1 };
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({
      status: 'completed',
      output,
      input: { x: 1 },
      tries: 0,
    });
    expect(of(await eventsOf(test_db.db, run_id), 'one')).toMatchObject([
      { type: 'step.started', data: { tool: 'counting', version: '1.0.0', attempt: 1, input: { x: 1 } } },
      { type: 'step.completed', data: { output, reused: false } },
    ]);
  });

  test('is given the stored outputs of the steps it needs', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'echo', input: { list: [{ n: 42 }], text: 'a {{b}} $1' } },
      { id: 'two', tool: 'echo', input: { n: '{one.list.0.n}', all: '{one}', said: 'so: {one.text}' } },
    ]);
    await use(deps, run_id, 'one');
    await use(deps, run_id, 'two');
    const all = { list: [{ n: 42 }], text: 'a {b} $1' };
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({
      output: { n: 42, all, said: 'so: a {b} $1' },
    });
  });

  test('is skipped when its condition does not hold, with all that needs it, once', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'echo', input: { n: 1 } },
      { id: 'two', tool: 'echo', when: { ref: 'one.n', op: 'gt', value: 1 } },
      { id: 'three', tool: 'echo', needs: ['two'] },
      { id: 'either', tool: 'echo', needs: ['one', 'two'], join: 'any' },
    ]);
    await use(deps, run_id, 'one');
    expect(await twice(deps, run_id, 'two')).toEqual({
      step_id: 'two',
      status: 'skipped',
      skipped: ['three'],
      wish: null,
    });
    expect(await use(deps, run_id, 'three')).toMatchObject({ status: 'skipped', skipped: ['two'] });
    expect(await use(deps, run_id, 'either')).toMatchObject({ status: 'completed' });
    const types = await typesOf(test_db.db, run_id);
    expect(types.filter((type) => type.startsWith('step.skipped'))).toEqual([
      'step.skipped two',
      'step.skipped three',
    ]);
  });

  test('is carried out when its condition holds', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const when = {
      all: [{ ref: 'one.n', op: 'gte', value: 1 } as const, { not: { ref: 'one.m', op: 'exists' } as const }],
    };
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'echo', input: { n: 1 } },
      { id: 'two', tool: 'echo', when },
    ]);
    await use(deps, run_id, 'one');
    expect(await use(deps, run_id, 'two')).toMatchObject({ status: 'completed' });
  });

  test.each<[string, Partial<ShortStep>, string]>([
    ['a reference that leads nowhere', { input: { x: '{one.nothing}' } }, 'reference_missing'],
    ['a reference to a prototype', { input: { x: '{one.__proto__}' } }, 'reference_missing'],
    [
      'a condition on what is not there',
      { when: { ref: 'one.nothing', op: 'eq', value: 1 } },
      'reference_missing',
    ],
    ['an input grown too large', { input: { x: '{one.large}', y: '{one.large}' } }, 'input_too_large'],
    ['an input grown beyond all bounds', { input: { x: '{one.large}'.repeat(150) } }, 'input_too_large'],
    ['an input that does not fit', { tool: 'todo.add', input: { text: '{one.n}' } }, 'invalid_input'],
  ])('fails at once by %s', async (_, step, code) => {
    const deps = depsWith(test_db.db, [
      ECHO,
      pure('large', () => Promise.resolve({ n: 1, large: 'x'.repeat(60_000) })),
    ]);
    const rules = { ...RULES, max_input_bytes: 100_000, max_output_bytes: 100_000 };
    const run_id = await plannedRun(
      deps,
      [
        { id: 'one', tool: 'large' },
        { id: 'two', tool: 'echo', needs: ['one'], ...step },
      ],
      {
        rules,
      },
    );
    await use(deps, run_id, 'one');
    expect(await twice(deps, run_id, 'two')).toEqual({
      step_id: 'two',
      status: 'failed',
      skipped: [],
      wish: null,
    });
    expect(await lastOf(run_id)).toMatchObject({
      type: 'step.failed',
      data: { failure: { code, step_id: 'two' }, attempts: 0 },
    });
  });

  test('fails when the worker does not have its tool', async () => {
    const run_id = await plannedRun(depsWith(test_db.db, [ECHO]), [{ id: 'one', tool: 'echo' }]);
    await twice(depsWith(test_db.db), run_id, 'one');
    expect(await lastOf(run_id)).toMatchObject({ data: { failure: { code: 'tool_missing' } } });
  });

  test('that fails and is not needed costs only those that need it', async () => {
    const deps = depsWith(test_db.db, [ECHO, failing('todo_not_found')]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'failing', on_failure: 'continue' },
      { id: 'two', tool: 'echo', needs: ['one'] },
      { id: 'three', tool: 'echo', needs: ['two'] },
      { id: 'four', tool: 'echo' },
      { id: 'either', tool: 'echo', needs: ['one', 'four'], join: 'any' },
      { id: 'neither', tool: 'echo', needs: ['one', 'three'], join: 'any' },
    ]);
    const result = await twice(deps, run_id, 'one');
    expect(result).toMatchObject({ status: 'failed', wish: null });
    expect([...result.skipped].sort()).toEqual(['neither', 'three', 'two']);
    expect(await use(deps, run_id, 'four')).toMatchObject({ status: 'completed' });
    expect(await use(deps, run_id, 'either')).toMatchObject({ status: 'completed' });
    expect(await use(deps, run_id, 'one')).toEqual({
      ...result,
      skipped: expect.arrayContaining(result.skipped),
    });
  });

  test('that fails and is needed skips nothing', async () => {
    const deps = depsWith(test_db.db, [ECHO, failing('todo_not_found')]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'failing' },
      { id: 'two', tool: 'echo', needs: ['one'] },
    ]);
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'failed', skipped: [] });
    expect(await stepOf(test_db.db, run_id, 'two')).toMatchObject({ status: 'pending' });
  });

  test('is not carried out in a run that is over', async () => {
    const deps = depsWith(test_db.db, [ECHO]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'echo' }]);
    await test_db.db.query(`update runs set status = 'failed' where id = $1`, [run_id]);
    await expect(use(deps, run_id, 'one')).rejects.toMatchObject({ code: 'run_over' });
  });
});

describe('a failed try', () => {
  test('is announced and counted in Postgres, up to the limit of the tool', async () => {
    const deps = depsWith(test_db.db, [throwing(new Error('1'), new Error('2'), new Error('3'))]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'throwing' }]);
    for (const message of ['1', '2']) {
      await expect(use(deps, run_id, 'one')).rejects.toMatchObject({
        type: 'tool_error',
        message,
        nonRetryable: false,
      });
    }
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({
      status: 'retrying',
      tries: 2,
      finished_at: null,
    });
    expect(await use(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(of(await eventsOf(test_db.db, run_id), 'one')).toMatchObject([
      { type: 'step.started', data: { attempt: 1 } },
      {
        type: 'step.retrying',
        data: { attempt: 1, failure: { code: 'tool_error', message: '1', step_id: 'one' } },
      },
      { type: 'step.started', data: { attempt: 2 } },
      { type: 'step.retrying', data: { attempt: 2, failure: { message: '2' } } },
      { type: 'step.started', data: { attempt: 3 } },
      { type: 'step.failed', data: { attempts: 3, failure: { code: 'tool_error', message: '3' } } },
    ]);
  });

  test('is forgotten by a later one that succeeds', async () => {
    const deps = depsWith(test_db.db, [throwing(new Error('1'))]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'throwing' }]);
    await expect(use(deps, run_id, 'one')).rejects.toMatchObject({ nextRetryDelay: 250 });
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'completed' });
    expect(await stepOf(test_db.db, run_id, 'one')).toMatchObject({ failure: null, tries: 1 });
  });

  test('is the last one when the tool names a failure that a later try would meet again', async () => {
    const deps = depsWith(test_db.db);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'todo.complete', input: { text: 'nowhere' } },
      { id: 'two', tool: 'calculator', input: { expression: '1 / 0' } },
    ]);
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(await lastOf(run_id)).toMatchObject({
      data: { failure: { code: 'todo_not_found' }, attempts: 1 },
    });
    expect(await twice(deps, run_id, 'two')).toMatchObject({ status: 'failed' });
    expect(await lastOf(run_id)).toMatchObject({
      data: { failure: { code: 'division_by_zero' }, attempts: 1 },
    });
  });

  test.each<[string, unknown, string]>([
    ['a text', 'just text', 'just text'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['an object without a text', Object.create(null), 'The tool threw what cannot be read.'],
    ['NUL', new Error('a\u0000b'), 'a\ufffdb'],
    ['half a character', new Error('\ud83d'), '\ufffd'],
    [
      'a long message, cut within a character',
      new Error('x'.repeat(1_999) + '😀'),
      'x'.repeat(1_999) + '\ufffd',
    ],
    ['no file', Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' }), 'ENOENT: no such file'],
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'connect'],
    ['a broken pipe', Object.assign(new Error('write'), { code: 'EPIPE' }), 'write'],
    ['an error of another Postgres', Object.assign(new Error('unique'), { code: '23505' }), 'unique'],
    ['a code of its own', Object.assign(new Error('own'), { code: 'constructor' }), 'own'],
  ])('is counted when the tool throws %s', async (_, thrown, message) => {
    const deps = depsWith(test_db.db, [{ ...throwing(thrown), max_attempts: 1 }]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'throwing' }]);
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(await lastOf(run_id)).toMatchObject({
      data: { failure: { code: 'tool_error', message }, attempts: 1 },
    });
  });

  test('is counted when the tool throws before it promises anything', async () => {
    const hasty = pure(
      'hasty',
      () => {
        throw new Error('at once');
      },
      { max_attempts: 1 },
    );
    const deps = depsWith(test_db.db, [
      hasty,
      transactional('hasty_inside', hasty.call, { max_attempts: 1 }),
    ]);
    const run_id = await plannedRun(deps, [
      { id: 'one', tool: 'hasty' },
      { id: 'two', tool: 'hasty_inside' },
    ]);
    for (const step of ['one', 'two']) {
      await twice(deps, run_id, step);
      expect(await lastOf(run_id)).toMatchObject({
        data: { failure: { code: 'tool_error', message: 'at once' } },
      });
    }
  });

  test('of a transactional tool leaves nothing of its effect', async () => {
    const half = transactional(
      'half',
      async (_input, { tenant, run_id, step_id }, tx) => {
        await tx.query(
          `insert into todos (id, tenant, text, run_id, step_id) values ($2, $1, 'half', $2, $3)`,
          [tenant, run_id, step_id],
        );
        throw new Error('after the effect');
      },
      { max_attempts: 1 },
    );
    const deps = depsWith(test_db.db, [half]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'half' }]);
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(await test_db.db.query('select 1 from todos where run_id = $1', [run_id])).toEqual([]);
  });
});

describe('the limits of a tool', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  let deep: unknown = 1;
  for (let level = 0; level < 50_000; level += 1) deep = [deep];

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'invalid_output'],
    ['a function', () => 1, 'invalid_output'],
    ['a BigInt', 1n, 'invalid_output'],
    ['a BigInt within', { n: 1n }, 'invalid_output'],
    ['a circle', circular, 'invalid_output'],
    ['NUL', { text: 'a\u0000b' }, 'invalid_output'],
    ['NUL in a key', { 'a\u0000': 1 }, 'invalid_output'],
    ['half a character', '\udc00', 'invalid_output'],
    ['what throws when it is written', { toJSON: () => JSON.parse('{') as unknown }, 'invalid_output'],
    ['too much', 'x'.repeat(RULES.max_output_bytes), 'output_too_large'],
    ['too many bytes in few characters', '€'.repeat(RULES.max_output_bytes / 2), 'output_too_large'],
    ['what is nested without end', deep, 'invalid_output'],
  ])('end the step when it returns %s', async (_, output, code) => {
    const deps = depsWith(test_db.db, [pure('giving', () => Promise.resolve(output))]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'giving' }]);
    expect(await twice(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(await lastOf(run_id)).toMatchObject({ data: { failure: { code }, attempts: 1 } });
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['false', false],
    ['an empty text', ''],
    ['exactly what is allowed', 'x'.repeat(RULES.max_output_bytes - 2)],
    ['an escape that is text', '\\u0000 and \\\\ud83d'],
    ['hostile keys', JSON.parse('{"__proto__": {"a": 1}, "constructor": "b"}')],
    ['a whole character', '😀'],
  ])('let it return %s', async (_, output) => {
    const deps = depsWith(test_db.db, [pure('giving', () => Promise.resolve(output))]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'giving' }]);
    expect(await use(deps, run_id, 'one')).toMatchObject({ status: 'completed' });
    const [row] = await test_db.db.query('select output::text from steps where run_id = $1', [run_id]);
    expect(JSON.parse(row!['output'] as string)).toEqual(output);
  });

  test('end a try that takes too long, also when the tool ignores it', async () => {
    let signal: AbortSignal | undefined;
    const deaf = pure('deaf', (_input, context) => new Promise(() => (signal = context.signal)), {
      timeout_s: 0.05,
      max_attempts: 1,
    });
    const deps = depsWith(test_db.db, [deaf]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'deaf' }]);
    expect(await use(deps, run_id, 'one')).toMatchObject({ status: 'failed' });
    expect(signal?.aborted).toBe(true);
    expect(await lastOf(run_id)).toMatchObject({ data: { failure: { code: 'tool_timeout' }, attempts: 1 } });
  });

  test('end a try that is cancelled, and store nothing of it', async () => {
    const cancel = new AbortController();
    const deaf = pure('deaf', () => new Promise(() => cancel.abort()));
    const deps = depsWith(test_db.db, [deaf]);
    const run_id = await plannedRun(deps, [{ id: 'one', tool: 'deaf' }]);
    const before = await stepOf(test_db.db, run_id, 'one');
    await expect(use(deps, run_id, 'one', cancel.signal)).rejects.toBeInstanceOf(Interrupted);
    await expect(use(deps, run_id, 'one', cancel.signal)).rejects.toBeInstanceOf(Interrupted);
    expect(await stepOf(test_db.db, run_id, 'one')).toEqual(before);
  });
});
