import { connectionOptions } from '../../src/db/database';
import { createApiKey } from '../../src/db/api-keys';
import { createStreamTicket } from '../../src/db/stream-tickets';
import { newId } from '../../src/db/new-id';
import { Reconciler } from '../../src/runs/reconcile';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import {
  fakeClosed,
  fakeKnown,
  fakeWorkflows,
  type FakeClosed,
  type FakeKnown,
  type FakeWorkflows,
} from '../support/fakes';
import { newRun, rowOf } from '../support/runs';

describe('the reconciler', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  const open: Reconciler[] = [];
  const faults: string[] = [];
  beforeEach(async () => {
    test_db = await createTestDatabase();
    workflows = fakeWorkflows();
    closed = fakeClosed();
    known = fakeKnown();
    faults.length = 0;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((reconciler) => reconciler.close()));
    await test_db.drop();
  });

  let closed: FakeClosed;
  let known: FakeKnown;
  function begin(name = 'test reconciler', of = workflows): Reconciler {
    const reconciler = new Reconciler({
      db: test_db.db,
      lock: connectionOptions(test_db.url, name),
      workflows: of,
      closed,
      known,
      onSettled: () => undefined,
      onFault: (what) => void faults.push(what),
    });
    open.push(reconciler);
    reconciler.start();
    return reconciler;
  }
  /** A run whose wish nobody has told its workflow of. */
  async function wished({ closed = false, age = '1 minute' } = {}): Promise<string> {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set status = 'cancelling' where id = $1`, [run_id]);
    await test_db.db.query(
      `insert into wishes (id, run_id, tenant, attempt, kind, actor, created_at, closed_at)
       values ($1, $2, 'tenant', 1, 'cancel', 'key_1', now() - $3::interval, case when $4 then now() end)`,
      [newId('wish'), run_id, age, closed],
    );
    return run_id;
  }
  const isWoken = (run_id: string, of = workflows) => of.woken.includes(run_id);
  const kill = (name: string) =>
    test_db.owner.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
      [name],
    );

  test('is held up by no workflow that Temporal does not wake', async () => {
    const refused = await wished({ age: '2 minutes' });
    workflows.refused.add(refused);
    const run_id = await wished();
    begin();
    await eventually(() => workflows.woken.includes(run_id));
    expect(faults).toContain(`Run ${refused} could not be woken`);
  });

  test('wakes in small crowds, so that a busy Temporal takes them', async () => {
    const runs = await Promise.all(Array.from({ length: 60 }, () => wished()));
    let together = 0;
    let most = 0;
    const look = workflows.look.bind(workflows);
    workflows.look = async (run_id) => {
      most = Math.max(most, (together += 1));
      await new Promise((resolve) => setImmediate(resolve));
      together -= 1;
      await look(run_id);
    };
    begin();
    await eventually(() => workflows.woken.length === runs.length);
    expect(most).toBeLessThanOrEqual(25);
  });

  test('repeats wishes until they are closed', async () => {
    const run_id = await wished({ age: '4 seconds' });
    const closed = await wished({ closed: true });
    const fresh = await wished({ age: '-1 minute' });
    begin();
    await eventually(() => workflows.woken.length >= 2, { what: 'a second wake-up' });
    await test_db.db.query('update wishes set closed_at = now() where run_id = $1', [run_id]);
    expect(new Set(workflows.woken)).toEqual(new Set([run_id]));
    expect(workflows.woken).not.toContain(closed);
    expect(workflows.woken).not.toContain(fresh);
  });

  test('repeats an old wish less often, so that no history grows without end', async () => {
    const [rested, due] = [await wished({ age: '1 day' }), await wished({ age: '1 day' })];
    const looked = (run_id: string, ago: string) =>
      test_db.db.query('update wishes set looked_at = now() - $2::interval where run_id = $1', [run_id, ago]);
    await looked(rested, '30 seconds');
    await looked(due, '2 minutes');
    begin();
    await eventually(() => workflows.woken.includes(due));
    expect(workflows.woken).not.toContain(rested);
  });

  test('ends runs whose workflows were closed from outside, and goes on where Temporal does not say which', async () => {
    const run_id = await newRun(test_db.db);
    await test_db.db.query(`update runs set status = 'running', execution = 'e' where id = $1`, [run_id]);
    closed.away = true;
    begin();
    await eventually(() => faults.includes('The reconciler could not look for closed workflows'));
    closed.away = false;
    closed.listed.set(run_id, new Date());
    closed.newest.set(run_id, { execution: 'e', reason: null });
    await eventually(async () => (await rowOf(test_db.db, run_id))['status'] === 'cancelled');
    const left = await wished();
    await eventually(() => isWoken(left));
  });

  test('forgets keys that expired and keeps the others', async () => {
    const run_id = await newRun(test_db.db);
    for (const [key, expires] of [
      ['old', '-1 minute'],
      ['young', '1 minute'],
    ]) {
      await test_db.db.query(
        `insert into idempotency_keys (tenant, route, key, body_hash, run_id, expires_at)
         values ('tenant', 'route', $1, '\\x00', $2, now() + $3::interval)`,
        [key, run_id, expires],
      );
    }
    begin();
    const keys = () => test_db.db.query('select key from idempotency_keys');
    await eventually(async () => (await keys()).length === 1);
    expect(await keys()).toEqual([{ key: 'young' }]);
  });

  test('forgets what keys have spent on days that are long over', async () => {
    await test_db.db.query(
      `insert into key_spending (key_id, day, tenant, spent_usd)
       select 'key_1', (now() at time zone 'utc')::date - ago, 'tenant', 1 from unnest(array[0, 1, 8]) ago`,
    );
    begin();
    const days = () => test_db.db.query('select day from key_spending');
    await eventually(async () => (await days()).length === 2);
  });

  test('forgets tickets that expired and keeps the others', async () => {
    const { id } = await createApiKey(test_db.db, 'tenant', 'key');
    const key = { id, tenant: 'tenant', scopes: [], limits: {} };
    for (const expires_in_s of [-60, 60, 120]) {
      await createStreamTicket(test_db.db, { key, run_id: null, expires_in_s });
    }
    begin();
    const tickets = () => test_db.db.query('select 1 from stream_tickets where expires_at > now()');
    const all = () => test_db.db.query('select 1 from stream_tickets');
    await eventually(async () => (await all()).length === 2);
    expect(await tickets()).toHaveLength(2);
  });

  test('is one of all processes; another takes over when its connection is lost', async () => {
    const others = fakeWorkflows();
    begin('first reconciler');
    const first = await wished();
    await eventually(() => isWoken(first));
    begin('second reconciler', others);
    const second = await wished();
    await eventually(() => isWoken(second));
    expect(others.woken).toEqual([]);

    const lost = open[0]!;
    await kill('first reconciler');
    const third = await wished();
    await eventually(() => isWoken(third) || isWoken(third, others));
    // Who was killed at work may finish its look beside the next one: a second wake-up does no harm, so nothing is asked here.
    await lost.close();
    const fourth = await wished();
    await eventually(() => isWoken(fourth, others));
    expect(isWoken(fourth)).toBe(false);
  });

  test('goes on however often connections are lost, and always elects one again', async () => {
    const holders = async () => {
      const rows = await test_db.db.query(
        `select pid from pg_locks where locktype = 'advisory' and objid = 7240003 and granted
           and database = (select oid from pg_database where datname = current_database())`,
      );
      return rows.length;
    };
    for (const name of ['one', 'two', 'three']) begin(name);
    for (const name of ['one', 'two', 'three', 'one']) {
      await eventually(async () => (await holders()) === 1, { what: 'one to be elected' });
      await kill(name);
      const run_id = await wished();
      await eventually(() => isWoken(run_id));
    }
    await eventually(async () => (await holders()) === 1, { what: 'one to be elected' });
  });

  test('gives its election back when it stops', async () => {
    const first = begin('first reconciler');
    const run_id = await wished();
    await eventually(() => isWoken(run_id));
    await first.close();
    const others = fakeWorkflows();
    begin('second reconciler', others);
    const next = await wished();
    await eventually(() => isWoken(next, others));
    expect(isWoken(next)).toBe(false);
  });

  test.each(['idempotency_keys', 'stream_tickets'])(
    'forgets %s that expired as fast as they are made',
    async (table) => {
      const run_id = await newRun(test_db.db);
      const { id } = await createApiKey(test_db.db, 'tenant', 'key');
      const rows = {
        idempotency_keys: `(tenant, route, key, body_hash, run_id, expires_at) select 'tenant', '${run_id}', n::text, '\\x00', '${run_id}'`,
        stream_tickets: `(tenant, hash, key_id, expires_at) select 'tenant', sha256(n::text::bytea), '${id}'`,
      }[table];
      await test_db.owner.query(
        `insert into ${table} ${rows}, now() - interval '1 minute' from generate_series(1, 12000) n`,
      );
      begin();
      const left = () => test_db.owner.query(`select 1 from ${table}`);
      await eventually(async () => (await left()).length === 0, { what: 'all to be forgotten' });
    },
  );
});
