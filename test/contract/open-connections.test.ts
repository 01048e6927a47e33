import { openDatabase, type Database } from '../../src/db/database';
import { listRuns } from '../../src/db/run-list';
import { cancelRun } from '../../src/runs/cancel';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows } from '../support/fakes';
import { RESTART, repeatable } from '../support/reruns';

/** Times after which Postgres keeps the plan of a prepared statement. */
const UNTIL_KEPT = 6;

describe('a connection that was open when a migration changed a table', () => {
  let test_db: TestDatabase;
  let db: Database;
  beforeAll(async () => {
    test_db = await createTestDatabase();
    db = openDatabase({ url: test_db.url, pool: 1, name: 'open before' });
  });
  afterAll(async () => {
    await db.close();
    await test_db.drop();
  });

  const connection = async () => (await db.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]!.pid;

  /** A run that is submitted, planned, carried out and fails; another one that repeats it and is cancelled; and a look at both. */
  async function live(): Promise<string[]> {
    const world = repeatable(db);
    const failed = await world.failedRun();
    const { run } = await world.ask(failed, RESTART);
    const cancellation = { tenant: 'tenant', run_id: run.id, reason: 'enough', actor: 'key_1' };
    await cancelRun({ records: db, workflows: fakeWorkflows(), onNotWoken: () => undefined }, cancellation);
    const all = { status: null, tag: null, words: null, created_after: null, created_before: null };
    const filter = { ...all, superseded: null, origin: null, root: failed };
    const page = await listRuns(db, 'tenant', { filter, order: 'newest', cursor: null, limit: 10 });
    return page!.runs.map(({ status }) => status);
  }

  test.each(['runs', 'steps', 'plans', 'events', 'wishes', 'idempotency_keys'])(
    '%s goes on with it',
    async (table) => {
      const before = await connection();
      for (let n = 0; n < UNTIL_KEPT; n += 1) await live();
      for (const change of ['add column later jsonb', 'drop column later']) {
        await test_db.owner.query(`alter table ${table} ${change}`);
        expect(await live()).toEqual(['cancelled', 'failed']);
      }
      expect(await connection()).toBe(before);
    },
  );
});
