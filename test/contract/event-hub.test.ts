import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Tx } from '../../src/db/tx';
import { append, type NewEvent } from '../../src/events/append';
import type { EventHub } from '../../src/events/hub';
import { PAGE } from '../../src/events/read';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { openHub, read, withoutNotices, type Reader } from '../support/hubs';
import { COMPLETED, fact, gate, newRun, reopen } from '../support/runs';

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe('the event hub', () => {
  let test_db: TestDatabase;
  let hub: EventHub & { faults: string[] };
  let run_id: string;
  beforeAll(async () => {
    test_db = await createTestDatabase();
    hub = await openHub(test_db);
  });
  afterAll(async () => {
    await hub.close();
    await test_db.drop();
  });
  beforeEach(async () => void (run_id = await newRun(test_db.db)));
  // Whatever a test did, nothing of its readers is left.
  afterEach(() => {
    const left = [...hub['topics'].keys()];
    hub['topics'].clear();
    expect(left).toEqual([]);
    expect(hub['due'].size).toBe(0);
  });

  const add = (events: NewEvent[], change = {}, attempt: number | null = 1) =>
    test_db.db.transaction((tx) => append(tx, run_id, { attempt, events, change }));
  const complete = (attempt = 1) => add([COMPLETED], { status: 'completed' }, attempt);
  const stopAll = async (...readers: Reader[]) => {
    for (const reader of readers) reader.stop();
    await Promise.all(readers.map(({ over }) => over));
  };

  test('gives a reader everything from the beginning, then live, and ends after the terminal event', async () => {
    await add([fact('a'), fact('b')]);
    const reader = read(hub, run_id, { after: 0, head: 3 });
    await reader.until(3);
    await add([fact('c')]);
    await reader.until(4);
    await complete();
    await reader.over;
    expect(reader.seqs()).toEqual([1, 2, 3, 4, 5]);
    expect(reader.items.at(-1)).toMatchObject({ event: { type: 'run.completed', terminal: true } });
  });

  test('gives a reader what comes after its number, also when that is the last one', async () => {
    await add([fact('a'), fact('b')]);
    const fromTwo = read(hub, run_id, { after: 2, head: 3 });
    const fromLast = read(hub, run_id, { after: 3, head: 3 });
    await fromTwo.until(3);
    await complete();
    await Promise.all([fromTwo.over, fromLast.over]);
    expect(fromTwo.seqs()).toEqual([3, 4]);
    expect(fromLast.seqs()).toEqual([4]);
  });

  test('does not end before the terminal event', async () => {
    const reader = read(hub, run_id, { after: 0, head: 1 });
    for (const n of upTo(5)) {
      await add([fact(`f${n}`)]);
      await reader.until(n + 1);
    }
    expect(hub['topics'].get(run_id)?.readers).toBe(1);
    await complete();
    await reader.over;
    expect(reader.seqs()).toEqual(upTo(7));
  });

  test('joins before it reads: what is committed in between reaches the reader', async () => {
    const { opened: heard, open: letGo } = gate();
    let reads = 0;
    // The reader's own read (the topic reads from the head) is answered late: with what was there before the others came.
    const late: Tx = {
      async query<Row extends object>(text: string, values: unknown[] = []) {
        const rows = await test_db.db.query<Row>(text, values);
        if ((values[1] as number[])[0] !== 0) return rows;
        reads += 1;
        await heard;
        return rows;
      },
    };
    const slow = await openHub(test_db, { db: late });
    const reader = read(slow, run_id, { after: 0, head: 1 });
    await eventually(() => reads >= 1);
    await add([fact('in between')]);
    await complete();
    await eventually(() => slow['topics'].get(run_id)?.head === 3, { what: 'the topic to hear of it' });
    letGo();
    await reader.over;
    expect(reader.seqs()).toEqual([1, 2, 3]);
    await slow.close();
  });

  test('hears of an event that came between the look at the row and the join', async () => {
    await add([fact('unseen')]);
    const other = await openHub(test_db);
    clearInterval(other['poll']); // which would find it too, later
    const reader = read(other, run_id, { after: 1, head: 1 });
    await reader.until(2);
    await stopAll(reader);
    expect(reader.seqs()).toEqual([2]);
    await other.close();
  });

  test('gives a burst of 10,000 to every reader, also to one that sleeps through it', async () => {
    let asleep = false;
    const quick = upTo(4).map(() => read(hub, run_id, { after: 0, head: 1 }));
    const slow = read(hub, run_id, { after: 0, head: 1, asleep: () => asleep });
    await slow.until(1);
    asleep = true;
    for (const block of upTo(20)) await add(upTo(500).map((n) => fact(`b${block}.${n}`)));
    await Promise.all(quick.map((reader) => reader.until(10_001)));
    // What is kept for live readers is bounded; the slow one held nothing up and cost nothing.
    expect(hub['topics'].get(run_id)?.['ring'].length).toBeLessThanOrEqual(512);
    expect(slow.seqs()).toEqual([1]);
    await complete();
    asleep = false;
    slow.next();
    await Promise.all([...quick, slow].map(({ over }) => over));
    for (const reader of [...quick, slow]) expect(reader.seqs()).toEqual(upTo(10_002));
  });

  test('keeps at most a million characters for live readers', async () => {
    const reader = read(hub, run_id, { after: 0, head: 1 });
    const large = 'x'.repeat(100_000);
    for (const n of upTo(30)) await add([fact(`large ${n}`, large)]);
    await reader.until(31);
    expect(hub['topics'].get(run_id)?.['chars']).toBeLessThanOrEqual(1_000_000);
    expect(reader.seqs()).toEqual(upTo(31));
    await stopAll(reader);
  });

  test('finds by its poll what no notice told', async () => {
    const reader = read(hub, run_id, { after: 0, head: 1 });
    await reader.until(1);
    await withoutNotices(test_db, async () => {
      await add([fact('unannounced')]);
      await reader.until(2);
    });
    await stopAll(reader);
    expect(reader.seqs()).toEqual([1, 2]);
  });

  test('says where numbers are missing, once', async () => {
    await add(upTo(8).map((n) => fact(`f${n}`)));
    await test_db.db.transaction(async (tx) => {
      await tx.query(`set local longhaul.retention = 'on'`);
      await tx.query('delete from events where run_id = $1 and seq in (1, 2, 5, 6, 7)', [run_id]);
    });
    await complete();
    const ofReader = async (after: number) => {
      const reader = read(hub, run_id, { after, head: 10 });
      await reader.over;
      return reader.items.map((item) => (item.kind === 'event' ? item.event.seq : item));
    };
    const folded = { kind: 'gap', reason: 'folded' };
    const rest = [3, 4, { ...folded, from: 5, to: 7 }, 8, 9, 10];
    expect(await ofReader(0)).toEqual([{ ...folded, from: 1, to: 2 }, ...rest]);
    expect(await ofReader(2)).toEqual(rest);
    expect(await ofReader(5)).toEqual([{ ...folded, from: 6, to: 7 }, 8, 9, 10]);
  });

  test('passes the terminal event of an earlier attempt', async () => {
    await complete();
    await reopen(test_db.db, run_id);
    await add([fact('more')], {}, 2);
    const reader = read(hub, run_id, { after: 0, head: 4 });
    await reader.until(4);
    await complete(2);
    await reader.over;
    expect(reader.seqs()).toEqual([1, 2, 3, 4, 5]);
  });

  test('passes it also as the last of a page, while the topic has not heard of what follows', async () => {
    await withoutNotices(test_db, async () => {
      const stale = read(hub, run_id, { after: 0, head: 1 });
      await stale.until(1);
      await add(upTo(PAGE - 2).map((n) => fact(`f${n}`)));
      await complete();
      await reopen(test_db.db, run_id);
      await add([COMPLETED], { status: 'completed' }, 2);
      const reader = read(hub, run_id, { after: 0, head: PAGE + 2 });
      await reader.over;
      expect(reader.seqs()).toEqual(upTo(PAGE + 2));
      await stale.over;
      expect(stale.seqs()).toEqual(upTo(PAGE + 2));
    });
  });

  test('lets a reader go that is told to stop, also while the table is read for it', async () => {
    const live = read(hub, run_id, { after: 1, head: 1 });
    const behind = read(hub, run_id, { after: 0, head: 1 });
    expect(hub.readers).toBe(2);
    await stopAll(behind, live);
    expect(hub.readers).toBe(0);
    await complete();
    expect([...live.items, ...behind.items]).toEqual([]);
  });

  test('reads once for all that begin at the same place, and makes what they share once', async () => {
    await add(upTo(20).map((n) => fact(`f${n}`)));
    let reads = 0;
    const counted: Tx = {
      async query<Row extends object>(text: string, values?: unknown[]) {
        reads += 1;
        return test_db.db.query<Row>(text, values);
      },
    };
    const other = await openHub(test_db, { db: counted });
    clearInterval(other['poll']);
    const readers = upTo(1_000).map(() => read(other, run_id, { after: 0, head: 21 }));
    await Promise.all(readers.map((reader) => reader.until(21)));
    expect(reads).toBeLessThanOrEqual(4);
    reads = 0;
    await add([fact('live')]);
    await Promise.all(readers.map((reader) => reader.until(22)));
    expect(reads).toBeLessThanOrEqual(2);
    // One object for all: what is made of an event for one wire is made once.
    expect(new Set(readers.map(({ items }) => items.at(-1))).size).toBe(1);
    await stopAll(...readers);
    await other.close();
  });

  test('says how old the newest event is that it read', async () => {
    const lags: number[] = [];
    const other = await openHub(test_db, { onLag: (ms) => lags.push(ms) });
    const reader = read(other, run_id, { after: 1, head: 1 });
    await add([fact('a')]);
    await reader.until(2);
    expect(lags).toEqual([expect.any(Number)]);
    expect(lags[0]).toBeGreaterThanOrEqual(0);
    await stopAll(reader);
    await other.close();
  });

  test('goes on when a read fails', async () => {
    let failing = false;
    const moody: Tx = {
      async query<Row extends object>(text: string, values?: unknown[]) {
        if (failing) throw new Error('Postgres is away');
        return test_db.db.query<Row>(text, values);
      },
    };
    const other = await openHub(test_db, { db: moody });
    const reader = read(other, run_id, { after: 0, head: 1 });
    await reader.until(1);
    failing = true;
    await add([fact('a')]);
    await eventually(() => other.faults.length > 0);
    failing = false;
    await complete();
    await reader.over;
    expect(reader.seqs()).toEqual([1, 2, 3]);
    await other.close();
  });

  test('reads what another process writes, through two hubs alike', async () => {
    const other = await openHub(test_db);
    const readers = [hub, other].map((of) => read(of, run_id, { after: 0, head: 1 }));
    const script = join(__dirname, '../support/append-events.ts');
    const children = ['a', 'b'].map((prefix) =>
      spawn(process.execPath, ['--import', 'tsx', script, test_db.url, run_id, '100', prefix], {
        stdio: 'inherit',
      }),
    );
    for (const ended of await Promise.all(children.map((child) => once(child, 'exit')))) {
      expect(ended).toEqual([0, null]);
    }
    await complete();
    await Promise.all(readers.map(({ over }) => over));
    for (const reader of readers) expect(reader.seqs()).toEqual(upTo(202));
    const texts = readers.map(({ items }) => items.map((item) => item.kind === 'event' && item.event.json));
    expect(texts[0]).toEqual(texts[1]);
    await other.close();
  });

  test('serves many runs at once', async () => {
    const ids = await Promise.all(upTo(50).map(() => newRun(test_db.db)));
    const readers = ids.map((id) => read(hub, id, { after: 0, head: 1 }));
    await Promise.all(
      ids.map(async (id) => {
        for (const n of upTo(5)) {
          await test_db.db.transaction((tx) => append(tx, id, { attempt: 1, events: [fact(`f${n}`)] }));
        }
        await test_db.db.transaction((tx) =>
          append(tx, id, { attempt: 1, events: [COMPLETED], change: { status: 'completed' } }),
        );
      }),
    );
    await Promise.all(readers.map(({ over }) => over));
    for (const [index, reader] of readers.entries()) {
      expect(reader.seqs()).toEqual(upTo(7));
      expect(reader.items.every((item) => item.kind === 'event' && item.event.run_id === ids[index])).toBe(
        true,
      );
    }
  });

  test('ends its readers with an error and leaves nothing when it closes', async () => {
    const other = await openHub(test_db);
    const reader = read(other, run_id, { after: 0, head: 1 });
    const over = expect(reader.over).rejects.toThrow('The hub is closed.');
    await reader.until(1);
    await other.close();
    await over;
    expect(other['topics'].size).toBe(0);
  });
});
