import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { TENANT_TABLES } from '../support/everything';
import { newRun } from '../support/runs';

/** Asked without a predicate, as a query that forgot it would. */
const FORGETFUL = TENANT_TABLES.map((table) => `select tenant from ${table}`);

describe('the wall between tenants', () => {
  let test_db: TestDatabase;
  beforeAll(async () => {
    test_db = await createTestDatabase();
    await newRun(test_db.db, { tenant: 'mine' });
    await newRun(test_db.db, { tenant: 'theirs' });
  });
  afterAll(() => test_db.drop());

  test('stands around every table with a tenant', async () => {
    const unwalled = await test_db.owner.query(
      `select c.table_name from information_schema.columns c
       join pg_class t on t.relname = c.table_name and t.relnamespace = 'public'::regnamespace
       where c.table_schema = 'public' and c.column_name = 'tenant' and not t.relrowsecurity`,
    );
    expect(unwalled).toEqual([]);
  });

  test('hides the rows of others from a query that forgot its predicate', async () => {
    const seen = async (tenant: string) =>
      (
        await test_db.db.of(tenant).query('select distinct tenant from runs union select tenant from events')
      ).map((row) => row.tenant);
    expect(await seen('mine')).toEqual(['mine']);
    expect(await seen('theirs')).toEqual(['theirs']);
    expect(await seen('nobody')).toEqual([]);
    const all = await test_db.db.query<{ tenant: string }>(
      'select distinct tenant from runs order by tenant',
    );
    expect(all.map(({ tenant }) => tenant)).toEqual(['mine', 'theirs']);
  });

  test('stands also in the function that lists runs with the rights of the owner', async () => {
    const listed = async (seer: string | null, tenant: string) => {
      const records = seer === null ? test_db.db : test_db.db.of(seer);
      const rows = await records.query(
        'select id from list_runs($1, null, null, null, null, null, null, null, null, true, null, null, 10)',
        [tenant],
      );
      return rows.length;
    };
    expect(await listed('mine', 'mine')).toBe(1);
    expect(await listed(null, 'theirs')).toBe(1); // a process that serves every tenant
    for (const [seer, tenant] of [
      ['mine', 'theirs'],
      ['mine', '*'],
      ['', 'theirs'],
      ['', ''],
    ] as const) {
      expect([seer, tenant, await listed(seer, tenant)]).toEqual([seer, tenant, 0]);
    }
  });

  test('keeps a tenant from writing rows of another', async () => {
    const mine = test_db.db.of('mine');
    const changed = await mine.query(`update runs set goal = 'stolen' where tenant = 'theirs' returning id`);
    expect(changed).toEqual([]);
    await expect(
      mine.query(
        `insert into todos (id, tenant, text, run_id, step_id) values ('todo_1', 'theirs', 'x', 'r', 's')`,
      ),
    ).rejects.toThrow(/row-level security/);
  });

  test('lets a connection without a tenant see nothing', async () => {
    const client = new Client({ connectionString: test_db.url, options: '-c role=longhaul_app' });
    await client.connect();
    try {
      for (const statement of FORGETFUL) expect((await client.query(statement)).rows).toEqual([]);
    } finally {
      await client.end();
    }
  });
});
