import { openDatabase, type Database } from '../../src/db/database';
import type { Transaction } from '../../src/db/tx';
import { createTestDatabase, type TestDatabase } from '../support/database';

let test_db: TestDatabase;
/** One connection, so that whatever a transaction leaves behind is found by the next one. */
let db: Database;
beforeAll(async () => {
  test_db = await createTestDatabase();
  await test_db.owner.query('create table notes (text text unique deferrable initially deferred)');
  await test_db.owner.query('grant all on notes to longhaul_app');
  db = openDatabase({ url: test_db.url, pool: 1, name: 'one connection' });
});
beforeEach(() => test_db.owner.query('truncate notes'));
afterAll(async () => {
  await db.close();
  await test_db.drop();
});

const NOTE = 'insert into notes values ($1) returning text';
const texts = async () =>
  (await test_db.owner.query<{ text: string }>('select text from notes order by text')).map(
    ({ text }) => text,
  );

describe('a transaction', () => {
  test('is committed when its last statement returns, with what came before it', async () => {
    await db.transaction(async (tx) => {
      await tx.query(NOTE, ['first']);
      expect(await tx.last.query(NOTE, ['last'])).toEqual([{ text: 'last' }]);
      expect(await texts()).toEqual(['first', 'last']);
    });
  });

  test('is undone as a whole when its last statement fails, and says why', async () => {
    const failing = db.transaction(async (tx) => {
      await tx.query(NOTE, ['first']);
      await tx.last.query('select 1 / $1::integer', [0]);
    });
    await expect(failing).rejects.toThrow('division by zero');
    expect(await texts()).toEqual([]);
  });

  test('is undone when the commit that goes with its last statement fails, and tells nobody of its facts', async () => {
    const told: unknown[] = [];
    const watched = openDatabase({
      url: test_db.url,
      pool: 1,
      name: 'watched',
      onFacts: (facts) => told.push(facts),
    });
    const failing = watched.transaction(async (tx) => {
      tx.announce!({ run_id: 'run_1', facts: [] });
      await tx.query(NOTE, ['twice']);
      await tx.last.query(NOTE, ['twice']);
    });
    await expect(failing).rejects.toThrow('duplicate key');
    expect([await texts(), told]).toEqual([[], []]);
    await watched.close();
  });

  test('runs statements that are asked for together in their order, and is undone when one of them fails', async () => {
    const failing = db.transaction((tx) =>
      Promise.all([
        tx.query(NOTE, ['first']),
        tx.query('select 1 / $1::integer', [0]),
        tx.query(NOTE, ['third']),
      ]),
    );
    await expect(failing).rejects.toThrow('division by zero');
    const seen = await db.transaction((tx) =>
      Promise.all([
        tx.query(NOTE, ['once']),
        tx.query('select text from notes where text <> $1', ['']),
        tx.last.query(NOTE, ['more']),
      ]),
    );
    expect(seen[1]).toEqual([{ text: 'once' }]);
    expect(await texts()).toEqual(['more', 'once']);
  });

  test('is undone by what is thrown before its last statement', async () => {
    const failing = db.transaction(async (tx) => {
      await tx.query(NOTE, ['first']);
      throw new Error('changed its mind');
    });
    await expect(failing).rejects.toThrow('changed its mind');
    expect(await texts()).toEqual([]);
  });

  test('does without the disk only where it says so', async () => {
    const durability = (tx: { query: Database['query'] }) => tx.query('show synchronous_commit');
    expect(await db.transaction(durability, 'soon')).toEqual([{ synchronous_commit: 'off' }]);
    expect(await db.transaction(durability)).toEqual([{ synchronous_commit: 'on' }]);
    expect(await durability(db)).toEqual([{ synchronous_commit: 'on' }]);
  });

  test.each<[string, (tx: Transaction) => Promise<unknown>]>([
    ['a statement', (tx) => tx.query('select 1 / $1::integer', [0])],
    ['its last statement', (tx) => tx.last.query('select 1 / $1::integer', [0])],
  ])('is not told as committed where the failure of %s was passed over', async (_what, fail) => {
    const told: unknown[] = [];
    const onFacts = (facts: unknown) => told.push(facts);
    const watched = openDatabase({ url: test_db.url, pool: 1, name: 'watched', onFacts });
    const pid = () => watched.query('select pg_backend_pid()');
    const connection = await pid();
    const undone = watched.transaction(async (tx) => {
      tx.announce!({ run_id: 'run_1', facts: [] });
      await tx.query(NOTE, ['first']);
      await fail(tx).catch(() => undefined);
      return 'done';
    });
    await expect(undone).rejects.toThrow('undone as a whole');
    expect([await texts(), told]).toEqual([[], []]);
    expect(await pid()).toEqual(connection); // which is as good as before
    await watched.transaction((tx) => tx.query(NOTE, ['next']));
    expect(await texts()).toEqual(['next']);
    await watched.close();
  });
});
