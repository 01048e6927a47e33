import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { append, type NewEvent } from '../../src/events/append';
import { EventHub } from '../../src/events/hub';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { eventually } from '../support/eventually';
import { openHub, read, withoutNotices } from '../support/hubs';
import { COMPLETED, fact, newRun } from '../support/runs';

describe('the listening connection', () => {
  let test_db: TestDatabase;
  let run_id: string;
  beforeAll(async () => void (test_db = await createTestDatabase()));
  afterAll(() => test_db.drop());
  beforeEach(async () => void (run_id = await newRun(test_db.db)));

  const add = (events: NewEvent[], change = {}) =>
    test_db.db.transaction((tx) => append(tx, run_id, { attempt: 1, events, change }));
  const complete = () => add([COMPLETED], { status: 'completed' });
  const listeners = () =>
    test_db.owner.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'longhaul listener'`,
    );

  test('is one per process, however many readers there are, and none once the hub is closed', async () => {
    const hub = await openHub(test_db);
    const readers = [1, 2, 3].map(() => read(hub, run_id, { after: 0, head: 1 }));
    await Promise.all(readers.map((reader) => reader.until(1)));
    expect(await listeners()).toHaveLength(1);
    await complete();
    await Promise.all(readers.map(({ over }) => over));
    await hub.close();
    await eventually(async () => (await listeners()).length === 0, { what: 'the connection to be gone' });
  });

  test('comes back after it was killed, and all that happened meanwhile is read', async () => {
    const hub = await openHub(test_db);
    const reader = read(hub, run_id, { after: 0, head: 1 });
    await reader.until(1);
    for (const round of [1, 2, 3]) {
      const [listener] = await listeners();
      await test_db.owner.query('select pg_terminate_backend($1)', [listener!.pid]);
      await add([fact(`meanwhile ${round}`)]);
      await eventually(() => hub.faults.length === round, { what: 'the loss to be noticed' });
      await eventually(() => hub.listening, { what: 'it to listen again' });
      const [next] = await listeners();
      expect(next!.pid).not.toBe(listener!.pid);
      await add([fact(`after ${round}`)]);
    }
    await complete();
    await reader.over;
    expect(reader.seqs()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await hub.close();
  });

  test('reads everything watched once it is back', async () => {
    const hub = await openHub(test_db);
    clearInterval(hub['poll']); // so that nothing but the reconnection can find it
    const reader = read(hub, run_id, { after: 0, head: 1 });
    await reader.until(1);
    await eventually(() => hub['due'].size === 0 && hub['reading'] === null);
    await withoutNotices(test_db, async () => {
      await complete();
      const [listener] = await listeners();
      await test_db.owner.query('select pg_terminate_backend($1)', [listener!.pid]);
      await reader.over;
    });
    expect(reader.seqs()).toEqual([1, 2]);
    await hub.close();
  });

  test('leaves nothing when it is closed while it connects', async () => {
    for (const turns of [0, 1, 5, 20]) {
      const hub = new EventHub({ url: test_db.url, db: test_db.db, onFault: () => undefined });
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
      await hub.close();
      expect(hub['listener']).toMatchObject({ closed: true });
      expect(hub.listening).toBe(false);
    }
    await eventually(async () => (await listeners()).length === 0, { what: 'the connections to be gone' });
  });

  test('is given up when it went silent, and opened again', async () => {
    const wire = await openWire(new URL(test_db.url));
    const hub = await openHub(test_db, { url: wire.url });
    wire.freeze();
    await eventually(() => hub.faults.length > 0, { what: 'the silence to be noticed' });
    await eventually(() => hub.listening, { what: 'it to listen again' });
    const reader = read(hub, run_id, { after: 1, head: 1 });
    await complete();
    await reader.over;
    await hub.close();
    await wire.close();
  });
});

/** A wire to Postgres that can go dead without a word: connections stay open and carry nothing. New ones work. */
async function openWire(to: URL): Promise<{ url: string; freeze(): void; close(): Promise<void> }> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(Number(to.port), to.hostname);
    sockets.push(near, far);
    near.on('data', (bytes) => near.listenerCount('freeze') || far.write(bytes));
    far.on('data', (bytes) => near.listenerCount('freeze') || near.write(bytes));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(to);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    freeze: () => sockets.forEach((socket) => socket.on('freeze', () => undefined)),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
