import { startApiServer, type ApiServer } from '../support/api-server';
import { eventually } from '../support/eventually';
import { complete, facts, startedRun } from '../support/played-runs';
import { seeded } from '../support/seeded';
import { openSse, openWs } from '../support/stream-readers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const SEED = 20_260;
const EVENTS = 2_000;
/** Bytes that a connection carries before it breaks: now in the headers, now in the middle of an event, now after hundreds. */
const LEAST_BYTES = 100;
const MOST_BYTES = 60_000;

let api: ApiServer;
beforeAll(async () => (api = await startApiServer()));
afterAll(() => api.stop());

/** What a reader has to tell when its run is over. */
interface Journey {
  numbers: number[];
  connections: number;
}
type Read = (run_id: string, after: number, port: number) => Promise<{ numbers: number[]; over: boolean }>;

const readSse: Read = async (run_id, after, port) => {
  const headers: Record<string, string> = after === 0 ? {} : { 'last-event-id': String(after) };
  const reader = await openSse(api, `/v1/runs/${run_id}/events`, { port, headers });
  await eventually(() => reader.ending(), { within_ms: 60_000, what: 'the end of a connection' });
  const events = reader.frames.filter(({ event }) => event !== 'stream.end');
  const over = reader.status === 204 || events.length < reader.frames.length;
  return { numbers: events.map(({ data }) => (JSON.parse(data) as { seq: number }).seq), over };
};

const readWs: Read = async (run_id, after, port) => {
  const reader = await openWs(api, `/ws/runs/${run_id}?after=${after}`, { port });
  await eventually(() => reader.socket.readyState === reader.socket.CLOSED, { within_ms: 60_000 });
  const numbers = reader.events().map((text) => (JSON.parse(text) as { seq: number }).seq);
  return { numbers, over: reader.frames().at(-1)?.type === 'end' };
};

/** Reads a run to its end over a wire that breaks again and again, each time from the last number that came whole. */
async function journey(read: Read, run_id: string, port: number): Promise<Journey> {
  const numbers: number[] = [];
  for (let connections = 1; ; connections += 1) {
    // A connection that breaks before it is open brings nothing.
    const got = await read(run_id, numbers.at(-1) ?? 0, port).catch(() => ({ numbers: [], over: false }));
    numbers.push(...got.numbers);
    if (got.over) return { numbers, connections };
  }
}

describe('readers whose connections break at any byte', () => {
  let proxy: TcpProxy;
  const random = seeded(SEED);
  beforeEach(async () => {
    const breakAfter = () => random(LEAST_BYTES, random(0, 3) === 0 ? 1_000 : MOST_BYTES);
    proxy = await startTcpProxy({ host: '127.0.0.1', port: api.port, breakAfter });
  });
  afterEach(async () => {
    await proxy.stop();
    await eventually(() => api.readers() === 0, { what: 'all readers to have left' });
  });

  test.each([
    ['server-sent events', readSse],
    ['WebSockets', readWs],
  ])('see every number exactly once over %s', async (_wire, read) => {
    const run = await startedRun(api);
    const readers = Array.from({ length: 4 }, () => journey(read, run.id, proxy.port));
    for (let i = 0; i < EVENTS; i += 10) await api.append(run.id, facts(i, 10));
    const last = await complete(api, run.id);
    const all = Array.from({ length: last }, (_, i) => i + 1);
    for (const { numbers, connections } of await Promise.all(readers)) {
      expect(numbers).toEqual(all);
      expect(connections).toBeGreaterThan(10);
    }
  });
});
