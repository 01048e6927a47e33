import type { CommittedFacts } from '../../src/contracts/fact';
import { openDatabase, type Database } from '../../src/db/database';
import { append } from '../../src/events/append';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { COMPLETED, eventsOf, fact, newRun } from '../support/runs';

describe('Who watches a database', () => {
  let test_db: TestDatabase;
  let db: Database;
  let run_id: string;
  const told: CommittedFacts[] = [];
  beforeAll(async () => {
    test_db = await createTestDatabase();
    db = openDatabase({
      url: test_db.url,
      pool: 2,
      name: 'watched',
      onFacts: (facts) => void told.push(facts),
    });
  });
  afterAll(async () => {
    await db.close();
    await test_db.drop();
  });
  beforeEach(async () => {
    run_id = await newRun(test_db.db);
    told.length = 0;
  });

  const add = (tx: Parameters<typeof append>[0], ...events: Parameters<typeof append>[2]['events']) =>
    append(tx, run_id, { attempt: 1, events });
  const reasons = () =>
    told.flatMap(({ facts }) => facts.map(({ data }) => (data as { reason?: string }).reason));

  test('hears of facts once they are committed, in order, whoever appended them', async () => {
    await db.of('tenant').transaction(async (tx) => {
      await add(tx, fact('a'), fact('b'));
      await add(tx, fact('c'));
      expect(told).toEqual([]);
    });
    await add(db, fact('d'));
    expect(reasons()).toEqual(['a', 'b', 'c', 'd']);
    expect(told.every((one) => one.run_id === run_id)).toBe(true);
  });

  test('hears of none that was rolled back', async () => {
    const broken = db.transaction(async (tx) => {
      await add(tx, fact('a'));
      throw new Error('no');
    });
    await expect(broken).rejects.toThrow('no');
    expect(told).toEqual([]);
    expect(await eventsOf(db, run_id)).toHaveLength(1);
  });

  test('hears of no fact twice, and of none that was refused', async () => {
    await add(db, fact('a'));
    await add(db, fact('a'));
    await add(db, fact('a'), fact('b'));
    await append(db, run_id, { attempt: 1, events: [COMPLETED], change: { status: 'completed' } });
    await expect(add(db, fact('c'))).rejects.toMatchObject({ code: 'run_over' });
    expect(reasons()).toEqual(['a', 'b', undefined]);
  });
});
