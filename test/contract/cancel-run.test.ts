import { append } from '../../src/events/append';
import { cancelRun } from '../../src/runs/cancel';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { fakeWorkflows, type FakeWorkflows } from '../support/fakes';
import { COMPLETED, blocked, eventsOf, gate, newRun, reopen, rowOf, typesOf } from '../support/runs';

describe('cancelling a run', () => {
  let test_db: TestDatabase;
  let workflows: FakeWorkflows;
  const notWoken: string[] = [];
  beforeAll(async () => void (test_db = await createTestDatabase()));
  afterAll(() => test_db.drop());
  beforeEach(() => {
    workflows = fakeWorkflows();
    notWoken.length = 0;
  });

  const cancel = (run_id: string, of: { tenant?: string; reason?: string | null; actor?: string } = {}) =>
    cancelRun(
      { records: test_db.db, workflows, onNotWoken: (id) => void notWoken.push(id) },
      { tenant: 'tenant', run_id, reason: 'enough', actor: 'key_1', ...of },
    );
  const wishesOf = (run_id: string) => test_db.db.query('select * from wishes where run_id = $1', [run_id]);
  async function running(): Promise<string> {
    const run_id = await newRun(test_db.db);
    await test_db.db.transaction((tx) =>
      append(tx, run_id, {
        attempt: 1,
        events: [
          {
            key: 'p',
            type: 'run.status',
            data: { status: 'running', phase: 'planning', previous: 'queued' },
          },
        ],
        change: { status: 'running', phase: 'planning' },
      }),
    );
    return run_id;
  }

  test('that is queued ends it in its row alone', async () => {
    const run_id = await newRun(test_db.db);
    const run = await cancel(run_id);
    expect(run).toMatchObject({
      status: 'cancelled',
      status_reason: 'enough',
      finished_at: expect.any(Date),
      last_seq: 2,
    });
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'run.cancelled',
      data: { reason: 'enough', actor: 'key_1' },
    });
    expect(await wishesOf(run_id)).toEqual([]);
    expect(workflows.woken).toEqual([]);
  });

  test('that works leaves a wish, says so and wakes it', async () => {
    const run_id = await running();
    const run = await cancel(run_id);
    expect(run).toMatchObject({
      status: 'cancelling',
      status_reason: 'enough',
      phase: null,
      finished_at: null,
    });
    expect((await eventsOf(test_db.db, run_id)).at(-1)).toMatchObject({
      type: 'run.status',
      data: { status: 'cancelling', previous: 'running', reason: 'enough' },
    });
    expect(await wishesOf(run_id)).toMatchObject([
      { kind: 'cancel', actor: 'key_1', reason: 'enough', attempt: 1, closed_at: null },
    ]);
    expect(workflows.woken).toEqual([run_id]);
  });

  test('twice leaves one wish, that of the first, and wakes it again', async () => {
    const run_id = await running();
    await cancel(run_id);
    const before = [await rowOf(test_db.db, run_id), await typesOf(test_db.db, run_id)];
    expect(await cancel(run_id, { reason: 'other', actor: 'key_2' })).toMatchObject({
      status_reason: 'enough',
    });
    expect([await rowOf(test_db.db, run_id), await typesOf(test_db.db, run_id)]).toEqual(before);
    expect(await wishesOf(run_id)).toMatchObject([{ actor: 'key_1', reason: 'enough' }]);
    expect(workflows.woken).toEqual([run_id, run_id]);
  });

  test('by many at once is one wish and one event', async () => {
    for (const run_id of [await running(), await newRun(test_db.db)]) {
      const before = (await typesOf(test_db.db, run_id)).length;
      await Promise.all(Array.from({ length: 20 }, () => cancel(run_id, { reason: null })));
      expect((await wishesOf(run_id)).length).toBeLessThanOrEqual(1);
      expect(await typesOf(test_db.db, run_id)).toHaveLength(before + 1);
    }
  });

  test('that is over leaves it untouched', async () => {
    const run_id = await running();
    await test_db.db.transaction((tx) =>
      append(tx, run_id, { attempt: 1, events: [COMPLETED], change: { status: 'completed', answer: '42' } }),
    );
    const before = await rowOf(test_db.db, run_id);
    expect(await cancel(run_id)).toMatchObject({ status: 'completed', answer: '42' });
    expect(await rowOf(test_db.db, run_id)).toEqual(before);
    expect(await wishesOf(run_id)).toEqual([]);
    expect(workflows.woken).toEqual([]);
  });

  test('waits for a completion under way and then leaves it', async () => {
    const run_id = await running();
    const { opened, open } = gate();
    const held = gate();
    const completing = test_db.db.transaction(async (tx) => {
      await append(tx, run_id, { attempt: 1, events: [COMPLETED], change: { status: 'completed' } });
      held.open();
      await opened;
    });
    await held.opened;
    const cancelling = cancel(run_id);
    await blocked(test_db.owner, 1);
    open();
    await completing;
    expect(await cancelling).toMatchObject({ status: 'completed' });
    expect(await wishesOf(run_id)).toEqual([]);
  });

  test('of another tenant finds no such run and touches nothing', async () => {
    const run_id = await running();
    const before = await rowOf(test_db.db, run_id);
    const foreign = cancel(run_id, { tenant: 'elsewhere' });
    const missing = cancel('run_missing', { tenant: 'elsewhere' });
    await expect(foreign).rejects.toMatchObject({ code: 'not_found', message: `There is no run ${run_id}.` });
    await expect(missing).rejects.toMatchObject({
      code: 'not_found',
      message: 'There is no run run_missing.',
    });
    expect(await rowOf(test_db.db, run_id)).toEqual(before);
  });

  test('holds although its workflow cannot be woken', async () => {
    workflows.away = true;
    const run_id = await running();
    expect(await cancel(run_id)).toMatchObject({ status: 'cancelling' });
    expect(notWoken).toEqual([run_id]);
    expect(await wishesOf(run_id)).toHaveLength(1);
  });

  test('wishes anew in a new attempt', async () => {
    const run_id = await running();
    await cancel(run_id);
    const ended = { key: 'ended', type: 'run.cancelled', data: { reason: null, actor: 'key_1' } } as const;
    await test_db.db.transaction((tx) =>
      append(tx, run_id, { attempt: 1, events: [ended], change: { status: 'cancelled' } }),
    );
    await reopen(test_db.db, run_id);
    expect(await cancel(run_id)).toMatchObject({ status: 'cancelling', attempt: 2 });
    expect(await wishesOf(run_id)).toHaveLength(2);
  });
});
