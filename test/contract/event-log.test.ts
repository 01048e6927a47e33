import { openDatabase } from '../../src/db/database';
import { append, type NewEvent } from '../../src/events/append';
import { positionOf } from '../../src/events/position';
import { PAGE, readAfter } from '../../src/events/read';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { COMPLETED, blocked, eventsOf, fact, gate, newRun, reopen, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

const add = (run_id: string, events: NewEvent[], change = {}, attempt: number | null = 1) =>
  test_db.db.transaction((tx) => append(tx, run_id, { attempt, events, change }));
const seqsOf = async (run_id: string) => (await eventsOf(test_db.db, run_id)).map(({ seq }) => seq);
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('the event log', () => {
  test('numbers 1, 2, 3 … in the order of the append and says where it stands', async () => {
    const run_id = await newRun(test_db.db);
    expect(await add(run_id, [fact('a'), fact('b')])).toEqual({
      last_seq: 3,
      added: 2,
      status: 'queued',
      wish: null,
    });
    const events = await eventsOf(test_db.db, run_id);
    expect(events.slice(1)).toEqual([
      {
        id: expect.stringMatching(/^evt_/),
        seq: 2,
        type: 'step.skipped',
        run_id,
        attempt: 1,
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        v: 1,
        data: { reason: 'a' },
      },
      expect.objectContaining({ seq: 3, data: { reason: 'b' } }),
    ]);
  });

  test('leaves no gap and doubles nothing when many write at once', async () => {
    const run_id = await newRun(test_db.db);
    const other = openDatabase({ url: test_db.url, pool: 10, name: 'other' });
    const writers = upTo(100).map((n) =>
      [test_db.db, other][n % 2]!.transaction(async (tx) => {
        // Every fact comes from two writers, every fifth transaction is undone.
        await append(tx, run_id, { attempt: 1, events: [fact(`fact ${n >> 1}`), fact(`also ${n >> 1}`)] });
        if (n % 5 === 0) throw new Error('undone');
      }),
    );
    const settled = await Promise.allSettled(writers);
    await other.close();
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(20);
    const seqs = await seqsOf(run_id);
    const keys = (await eventsOf(test_db.db, run_id)).slice(1).map(({ data }) => JSON.stringify(data));
    expect(seqs).toEqual(upTo(seqs.length));
    expect(new Set(keys).size).toBe(keys.length);
    const committed = upTo(100).filter((n) => n % 5 !== 0);
    expect(keys).toHaveLength(2 * new Set(committed.map((n) => n >> 1)).size);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ last_seq: String(seqs.length) });
  });

  test('lets a second writer of a key wait for the first, find the fact and burn no number', async () => {
    const run_id = await newRun(test_db.db);
    const { opened, open } = gate();
    const held = gate();
    const first = test_db.db.transaction(async (tx) => {
      const appended = await append(tx, run_id, { attempt: 1, events: [fact('once', 'of the first')] });
      held.open();
      await opened;
      return appended;
    });
    await held.opened;
    const second = add(run_id, [fact('once', 'of the second')]);
    await blocked(test_db.owner, 1);
    open();
    expect(await first).toMatchObject({ last_seq: 2, added: 1 });
    expect(await second).toMatchObject({ last_seq: 2, added: 0 });
    expect(await add(run_id, [fact('next')])).toMatchObject({ last_seq: 3, added: 1 });
    const events = await eventsOf(test_db.db, run_id);
    expect(events.map(({ seq, data }) => [seq, 'reason' in data && data.reason]).slice(1)).toEqual([
      [2, 'of the first'],
      [3, 'next'],
    ]);
  });

  test('lets a second writer of a key store the fact when the first is undone', async () => {
    const run_id = await newRun(test_db.db);
    const { opened, open } = gate();
    const held = gate();
    const first = test_db.db.transaction(async (tx) => {
      await append(tx, run_id, { attempt: 1, events: [fact('once')] });
      held.open();
      await opened;
      throw new Error('undone');
    });
    await held.opened;
    const second = add(run_id, [fact('once')]);
    await blocked(test_db.owner, 1);
    open();
    await expect(first).rejects.toThrow('undone');
    expect(await second).toMatchObject({ last_seq: 2, added: 1 });
    expect(await seqsOf(run_id)).toEqual([1, 2]);
  });

  test('changes nothing by a repetition, not even the row of the run', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [fact('a')], { status: 'running', phase: 'planning' });
    const before = await rowOf(test_db.db, run_id);
    expect(await add(run_id, [fact('a', 'other words')], { status: 'waiting', phase: 'lost' })).toMatchObject(
      {
        added: 0,
        status: 'running',
      },
    );
    expect(await rowOf(test_db.db, run_id)).toEqual(before);
    expect(await seqsOf(run_id)).toEqual([1, 2]);
  });

  test('stores the new part of a half-known append', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [fact('a')]);
    expect(await add(run_id, [fact('a'), fact('b')], { phase: 'x' })).toMatchObject({
      last_seq: 3,
      added: 1,
    });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ phase: 'x' });
  });

  test('changes the row of the run with the facts and counts its revision', async () => {
    const run_id = await newRun(test_db.db);
    const before = await rowOf(test_db.db, run_id);
    await add(run_id, [fact('a')], { status: 'running', phase: 'planning', rounds: 1, execution: 'e1' });
    const after = await rowOf(test_db.db, run_id);
    expect(after).toMatchObject({
      status: 'running',
      phase: 'planning',
      rounds: 1,
      execution: 'e1',
      goal: 'a goal',
    });
    expect(Number(after['revision'])).toBe(Number(before['revision']) + 1);
  });

  test('refuses an unknown run', async () => {
    await expect(add('run_unknown', [fact('a')])).rejects.toMatchObject({ code: 'not_found' });
  });

  test('keeps hostile text and keys as they are', async () => {
    const run_id = await newRun(test_db.db);
    const data = JSON.parse(
      '{"reason": "😀 \\" \' \\\\ é\\u0301 \\u2028 $1 %s </script>", "__proto__": {"x": 1}, "constructor": {"prototype": 1}}',
    ) as { reason: string };
    await add(run_id, [
      { key: "'; drop table events; --", type: 'step.skipped', step_id: '__proto__', data },
    ]);
    const [event] = await readAfter(test_db.db, [{ run_id, after: 1 }]);
    const read = JSON.parse(event!.json) as { data: object; step_id: string };
    expect(Object.keys(read.data).sort()).toEqual(['__proto__', 'constructor', 'reason']);
    expect(JSON.stringify(read.data)).toContain('"__proto__":{"x":1}');
    expect(read.data).toMatchObject({ reason: data.reason });
    expect(read.step_id).toBe('__proto__');
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe('the end of an attempt in the log', () => {
  test('is followed by nothing, and of a transaction that tries nothing stays', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [COMPLETED], { status: 'completed' });
    const before = await rowOf(test_db.db, run_id);
    const late = test_db.db.transaction(async (tx) => {
      await tx.query(
        `insert into todos (id, tenant, text, run_id, step_id) values ('late', 't', 'late', $1, 's')`,
        [run_id],
      );
      await append(tx, run_id, { attempt: 1, events: [fact('late')], change: { phase: 'late' } });
    });
    await expect(late).rejects.toMatchObject({ name: 'Refusal', code: 'run_over' });
    expect(await rowOf(test_db.db, run_id)).toEqual(before);
    expect(await test_db.db.query(`select 1 from todos where id = 'late'`)).toEqual([]);
    expect(await seqsOf(run_id)).toEqual([1, 2]);
  });

  test('comes once, whoever writes it', async () => {
    const run_id = await newRun(test_db.db);
    const endings: NewEvent[] = [
      COMPLETED,
      { key: 'cancelled by the API', type: 'run.cancelled', data: { reason: null, actor: 'key_1' } },
      { key: 'out of time', type: 'run.timed_out', data: { limit: { kind: 'max_duration_s', value: 1 } } },
    ];
    const statuses = ['completed', 'cancelled', 'timed_out'] as const;
    const settled = await Promise.allSettled(
      endings.map((event, index) =>
        add(run_id, [fact(event.key + '!'), event], { status: statuses[index] }, null),
      ),
    );
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of settled) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'run_over' });
    }
    expect(await seqsOf(run_id)).toEqual([1, 2, 3]);
  });

  test('comes once within one append', async () => {
    const run_id = await newRun(test_db.db);
    const twice = [COMPLETED, { ...COMPLETED, key: 'again' }];
    await expect(add(run_id, twice, { status: 'completed' })).rejects.toMatchObject({ code: 'run_over' });
    await expect(add(run_id, [COMPLETED, fact('after')])).rejects.toMatchObject({ code: 'run_over' });
    expect(await seqsOf(run_id)).toEqual([1]);
  });

  test('is held by an index, even when the row of the run lost its status', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [COMPLETED], { status: 'running' });
    await expect(add(run_id, [{ ...COMPLETED, key: 'again' }])).rejects.toMatchObject({ code: '23505' });
    expect(await seqsOf(run_id)).toEqual([1, 2]);
  });

  test('may be told again', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [fact('a'), COMPLETED], { status: 'completed', answer: '42' });
    const again = await add(run_id, [fact('a'), COMPLETED], { status: 'completed', answer: '43' });
    expect(again).toMatchObject({ added: 0, status: 'completed', last_seq: 3 });
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ answer: '42' });
  });

  test('is no completion while the run is being cancelled', async () => {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(
      `insert into wishes (id, run_id, tenant, attempt, kind, actor) values ($1, $2, 'tenant', 1, 'cancel', 'key_1')`,
      [`wish_${run_id}`, run_id],
    );
    await add(run_id, [fact('cancelling')], { status: 'cancelling' });
    await expect(add(run_id, [fact('answer'), COMPLETED], { status: 'completed' })).rejects.toMatchObject({
      code: 'run_cancelling',
    });
    expect(await add(run_id, [fact('step')])).toMatchObject({
      last_seq: 3,
      status: 'cancelling',
      wish: 'cancel',
    });
    const ended: NewEvent = { key: 'ended', type: 'run.cancelled', data: { reason: null, actor: 'key_1' } };
    expect(await add(run_id, [ended], { status: 'cancelled' })).toMatchObject({
      last_seq: 4,
      status: 'cancelled',
    });
  });

  test('is passed by a new attempt alone, which may use the same keys', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [fact('a'), COMPLETED], { status: 'completed' });
    await reopen(test_db.db, run_id);
    await expect(add(run_id, [fact('b')], {}, 1)).rejects.toMatchObject({ code: 'superseded' });
    expect(await add(run_id, [fact('a'), COMPLETED], { status: 'completed' }, 2)).toMatchObject({
      last_seq: 6,
      added: 2,
    });
    const events = await eventsOf(test_db.db, run_id);
    expect(events.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 2, 2, 2]);
    await expect(add(run_id, [fact('c')], {}, null)).rejects.toMatchObject({ code: 'run_over' });
  });
});

describe('a stored event', () => {
  test('is neither changed nor removed', async () => {
    const run_id = await newRun(test_db.db);
    const before = await eventsOf(test_db.db, run_id);
    for (const statement of [
      `update events set data = '{}' where run_id = $1`,
      'update events set seq = seq + 1 where run_id = $1',
      'delete from events where run_id = $1',
      'delete from runs where id = $1',
    ]) {
      await expect(test_db.db.query(statement, [run_id])).rejects.toMatchObject({ code: 'LH004' });
    }
    expect(await eventsOf(test_db.db, run_id)).toEqual(before);
  });

  test('is removed by retention, in its own transaction alone', async () => {
    const run_id = await newRun(test_db.db);
    await add(run_id, [fact('a'), fact('b')]);
    await test_db.db.transaction(async (tx) => {
      await tx.query(`set local longhaul.retention = 'on'`);
      await tx.query('delete from events where run_id = $1 and seq = 2', [run_id]);
    });
    expect(await seqsOf(run_id)).toEqual([1, 3]);
    // Every connection of the pool, so also the one that had the setting.
    const tries = upTo(10).map(() => test_db.db.query('delete from events where run_id = $1', [run_id]));
    for (const result of await Promise.allSettled(tries)) expect(result.status).toBe('rejected');
    expect(await add(run_id, [fact('c')])).toMatchObject({ last_seq: 4 });
  });
});

describe('reading after a number', () => {
  test('gives each run its own page, in order, and serializes once', async () => {
    const [one, two] = [await newRun(test_db.db), await newRun(test_db.db)];
    await add(
      one,
      upTo(PAGE + 10).map((n) => fact(`f${n}`)),
    );
    await add(two, [COMPLETED], { status: 'completed' });
    const read = await readAfter(test_db.db, [
      { run_id: one, after: 3 },
      { run_id: two, after: 0 },
      { run_id: 'run_unknown', after: 0 },
    ]);
    const ofOne = read.filter(({ run_id }) => run_id === one);
    expect(ofOne.map(({ seq }) => seq)).toEqual(upTo(PAGE).map((n) => n + 3));
    const ofTwo = read.filter(({ run_id }) => run_id === two);
    expect(ofTwo.map(({ seq, terminal }) => [seq, terminal])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  test.each([
    [0, 0],
    [3, 3],
    [7, 7],
    ['last', 7],
  ] as const)('begins after %s at %d', (cursor, position) => {
    expect(positionOf(cursor, { first_seq: 1, last_seq: 7 })).toBe(position);
  });

  test('is refused beyond the head, with the head', () => {
    expect(() => positionOf(8, { first_seq: 1, last_seq: 7 })).toThrow(
      expect.objectContaining({ code: 'cursor_ahead', more: { last_seq: 7 } }),
    );
  });

  test('is refused below what is kept, with the first number that is', () => {
    const kept = { first_seq: 5, last_seq: 7 };
    for (const cursor of [0, 3]) {
      expect(() => positionOf(cursor, kept)).toThrow(
        expect.objectContaining({ code: 'events_expired', more: { first_available_seq: 5 } }),
      );
    }
    expect(positionOf(4, kept)).toBe(4);
    expect(positionOf('last', kept)).toBe(7);
  });
});
