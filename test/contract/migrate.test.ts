import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate, missingMigrations } from '../../src/db/migrate';
import { createTestDatabase, type TestDatabase } from '../support/database';

describe('migrations', () => {
  let test_db: TestDatabase;
  let folder: string;
  beforeEach(async () => {
    test_db = await createTestDatabase();
    await test_db.owner.query('drop table schema_migrations');
    folder = mkdtempSync(join(tmpdir(), 'longhaul-migrations-'));
    write('0001_first.sql', 'create table one (n integer); insert into one values (1);');
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await test_db.drop();
  });

  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const applied = async () => {
    const rows = await test_db.owner.query<{ name: string }>(
      'select name from schema_migrations order by name',
    );
    return rows.map(({ name }) => name);
  };
  const there = async (table: string) => {
    const [row] = await test_db.owner.query<{ oid: string | null }>('select to_regclass($1)::text as oid', [
      table,
    ]);
    return row!.oid !== null;
  };

  test('of the project are all in the template and none is missing', async () => {
    const fresh = await createTestDatabase();
    expect(await migrate(fresh.url)).toEqual([]);
    const rows = await fresh.db.query<{ name: string }>('select name from schema_migrations order by name');
    expect(missingMigrations(rows.map(({ name }) => name))).toEqual([]);
    expect(missingMigrations([])).toEqual(rows.map(({ name }) => name));
    await fresh.drop();
  });

  test('are applied in order, each once', async () => {
    write('0002_second.sql', 'alter table one add m integer;');
    expect(await migrate(test_db.url, folder)).toEqual(['0001_first.sql', '0002_second.sql']);
    expect(await migrate(test_db.url, folder)).toEqual([]);
    write('0003_third.sql', 'update one set m = n + 1;');
    expect(await migrate(test_db.url, folder)).toEqual(['0003_third.sql']);
    expect(await test_db.owner.query('select * from one')).toEqual([{ n: 1, m: 2 }]);
    expect(await applied()).toEqual(['0001_first.sql', '0002_second.sql', '0003_third.sql']);
  });

  test('are applied once by processes that start together', async () => {
    write('0002_slow.sql', 'select pg_sleep(0.1); insert into one values (2);');
    const starts = await Promise.all([1, 2, 3, 4].map(() => migrate(test_db.url, folder)));
    expect(starts.flat().sort()).toEqual(['0001_first.sql', '0002_slow.sql']);
    expect(await test_db.owner.query('select n from one order by n')).toEqual([{ n: 1 }, { n: 2 }]);
  });

  test('are refused when an old file was changed', async () => {
    await migrate(test_db.url, folder);
    write('0001_first.sql', 'create table one (n bigint);');
    write('0002_second.sql', 'create table two ();');
    await expect(migrate(test_db.url, folder)).rejects.toThrow('0001_first.sql was changed');
    expect(await there('two')).toBe(false);
  });

  test('are refused when a file comes late', async () => {
    write('0005_fifth.sql', 'create table five ();');
    await migrate(test_db.url, folder);
    write('0003_late.sql', 'create table three ();');
    write('0006_sixth.sql', 'create table six ();');
    await expect(migrate(test_db.url, folder)).rejects.toThrow('0003_late.sql comes before 0005_fifth.sql');
    expect([await there('three'), await there('six')]).toEqual([false, false]);
  });

  test('leave nothing of a file that fails, and keep those before it', async () => {
    write('0002_broken.sql', 'create table two (); select 1 / 0;');
    write('0003_third.sql', 'create table three ();');
    await expect(migrate(test_db.url, folder)).rejects.toThrow('0002_broken.sql failed: division by zero');
    expect([await there('one'), await there('two'), await there('three')]).toEqual([true, false, false]);
    expect(await applied()).toEqual(['0001_first.sql']);
    write('0002_broken.sql', 'create table two ();');
    expect(await migrate(test_db.url, folder)).toEqual(['0002_broken.sql', '0003_third.sql']);
  });

  test('leave nothing of a file that cannot be noted as applied', async () => {
    const never = `alter table schema_migrations add check (name <> '0002_unnoted.sql');`;
    write('0002_unnoted.sql', `create table two (); ${never}`);
    await expect(migrate(test_db.url, folder)).rejects.toThrow('0002_unnoted.sql failed');
    expect(await there('two')).toBe(false);
  });

  test('of a newer release do not trouble an older one', async () => {
    write('0002_newer.sql', 'create table two ();');
    await migrate(test_db.url, folder);
    rmSync(join(folder, '0002_newer.sql'));
    expect(await migrate(test_db.url, folder)).toEqual([]);
  });

  test('whose name breaks the rule are refused, not passed over', async () => {
    write('0002_with-dash.sql', 'create table two ();');
    await expect(migrate(test_db.url, folder)).rejects.toThrow('0002_with-dash.sql');
    expect(() => missingMigrations([], folder)).toThrow('0002_with-dash.sql');
  });
});
