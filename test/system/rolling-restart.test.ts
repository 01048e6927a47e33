import { randomUUID } from 'node:crypto';
import type { Step } from '../../src/contracts/plan';
import type { Run } from '../../src/contracts/run';
import { startBalancer, type Balancer } from '../support/balancer';
import { eventually } from '../support/eventually';
import { seeded } from '../support/seeded';
import { startSystem, type ApiProgram, type System } from '../support/stack';
import { openSse, openWs, type Door } from '../support/stream-readers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const SEED = 48_111;
/** Runs that are submitted while the processes are restarted, at least. */
const RUNS = 30;
const READERS_OF_A_RUN = 2;
/** Submits under way at once. */
const CLIENTS = 3;
/** Two restarts under load on a busy machine, milliseconds. */
const WITHIN_MS = 150_000;
/** The whole test, in which several such waits may follow each other, milliseconds. */
const TEST_WITHIN_MS = 2 * WITHIN_MS;
/** Bytes that a reader's connection carries before it breaks. */
const LEAST_BYTES = 100;
const MOST_BYTES = 12_000;

/** Slow steps and quick ones in turn: about 40 events within some seconds. */
const STEPS: Step[] = Array.from({ length: 12 }, (_, i) => ({
  id: `s${i}`,
  ...(i % 2 === 0
    ? { tool: 'test.wait', input: { ms: 150 } }
    : { tool: 'todo.add', input: { text: `todo ${i}` } }),
  ...(i > 0 && { needs: [`s${i - 1}`] }),
}));

let system: System;
let second: ApiProgram;
let balancer: Balancer;
/** The way of the submits, which is sound, and the way of the readers, which breaks at any byte. */
let door: TcpProxy;
let brokenDoor: TcpProxy;
const random = seeded(SEED);

beforeAll(async () => {
  system = await startSystem({ settings: { LONGHAUL_DRAIN_S: '5' } });
  second = await system.startApi();
  balancer = await startBalancer([system.api.port, second.port]);
  const port = () => balancer.next();
  door = await startTcpProxy({ host: '127.0.0.1', port });
  const breakAfter = () => random(LEAST_BYTES, random(0, 3) === 0 ? 1_000 : MOST_BYTES);
  brokenDoor = await startTcpProxy({ host: '127.0.0.1', port, breakAfter });
});
afterAll(async () => {
  balancer.stop();
  await Promise.all([door.stop(), brokenDoor.stop()]);
  await system.stop();
});

interface Attempt {
  /** Of the reply, or the error of the connection that brought none. */
  status: number | string;
  id?: string;
}

/** Submits under one key until the run is taken, as a client that retries what may be retried. */
async function submit(key: string): Promise<{ id: string; attempts: Attempt[] }> {
  const attempts: Attempt[] = [];
  for (;;) {
    const attempt = await trySubmit(key);
    attempts.push(attempt);
    if (attempt.id !== undefined) return { id: attempt.id, attempts };
    if (attempts.length > 50) throw new Error(`The key ${key} is never taken: ${JSON.stringify(attempts)}`);
  }
}

async function trySubmit(key: string): Promise<Attempt> {
  let reply: Response;
  try {
    reply = await fetch(`http://127.0.0.1:${door.port}/v1/runs`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${system.key}`,
        connection: 'close',
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ goal: key, plan: { steps: STEPS } }),
    });
  } catch (error) {
    return { status: String((error as Error).cause) };
  }
  // A reply that has begun must come whole: a cut one fails here, and the test with it.
  const { id } = (await reply.json()) as Partial<Run>;
  return { status: reply.status, ...(reply.status === 202 && { id: id! }) };
}

interface Leg {
  numbers: number[];
  over: boolean;
}

async function sseLeg(run_id: string, after: number): Promise<Leg> {
  const headers: Record<string, string> = after === 0 ? {} : { 'last-event-id': String(after) };
  const reader = await openSse(readersDoor(), `/v1/runs/${run_id}/events`, { headers });
  await eventually(() => reader.ending(), { within_ms: WITHIN_MS, what: 'the end of a connection' });
  const events = reader.frames.filter(({ event }) => event !== 'stream.end');
  const numbers = events.map(({ data }) => (JSON.parse(data) as { seq: number }).seq);
  return { numbers, over: reader.status === 204 || events.length < reader.frames.length };
}

async function wsLeg(run_id: string, after: number): Promise<Leg> {
  const reader = await openWs(readersDoor(), `/ws/runs/${run_id}?after=${after}`);
  await eventually(() => reader.socket.readyState === reader.socket.CLOSED, { within_ms: WITHIN_MS });
  const numbers = reader.events().map((text) => (JSON.parse(text) as { seq: number }).seq);
  return { numbers, over: reader.frames().at(-1)?.type === 'end' };
}

const readersDoor = (): Door => ({ port: brokenDoor.port, keys: { own: system.key } });

/** Reads a run to its end, each time from the last number that came whole, over the other process and whichever wire. */
async function journey(run_id: string): Promise<{ numbers: number[]; legs: number }> {
  const numbers: number[] = [];
  for (let legs = 1; ; legs += 1) {
    const leg = random(0, 1) === 0 ? sseLeg : wsLeg;
    // A connection that breaks before it is open brings nothing.
    const got = await leg(run_id, numbers.at(-1) ?? 0).catch(() => ({ numbers: [], over: false }));
    numbers.push(...got.numbers);
    if (got.over) return { numbers, legs };
  }
}

/** Stops a process as an orchestrator does, and starts it anew once it is gone. */
async function restart(program: ApiProgram): Promise<ApiProgram> {
  await program.stop();
  expect(program.process.exitCode).toBe(0);
  const next = await system.startApi(program.port);
  await eventually(() => balancer.has(next.port), { what: 'the new process to be in the round' });
  return next;
}

test(
  'two API processes are restarted one after the other under load: nothing is lost, doubled or refused for good',
  async () => {
    const taken: { key: string; id: string; attempts: Attempt[] }[] = [];
    const journeys: Promise<{ run_id: string; numbers: number[]; legs: number }>[] = [];
    let restarting = true;
    const client = async () => {
      while (restarting || taken.length < RUNS) {
        const key = `rolling-${randomUUID()}`;
        const { id, attempts } = await submit(key);
        taken.push({ key, id, attempts });
        for (let i = 0; i < READERS_OF_A_RUN; i += 1)
          journeys.push(journey(id).then((read) => ({ run_id: id, ...read })));
        // The next one when this run is well under way, so that the load is steady.
        await eventually(async () => (await eventsSoFar(id)) > 10, {
          within_ms: WITHIN_MS,
          what: `run ${id}`,
        });
      }
    };
    const load = Promise.all(Array.from({ length: CLIENTS }, client));
    await eventually(() => taken.length >= CLIENTS, { what: 'the load to begin' });
    second = await restart(second);
    system.api = await restart(system.api);
    restarting = false;
    await load;

    const outcomes = new Set(taken.flatMap(({ attempts }) => attempts.map(({ status }) => status)));
    expect([...outcomes].filter((status) => status !== 202 && status !== 503)).toEqual([]);
    const rows = await system.database.db.query<{ id: string; goal: string }>('select id, goal from runs');
    expect(rows.map(({ id, goal }) => `${goal} ${id}`).sort()).toEqual(
      taken.map(({ key, id }) => `${key} ${id}`).sort(),
    );
    const read = await Promise.all(journeys);
    expect(read).toHaveLength(taken.length * READERS_OF_A_RUN);
    for (const { run_id, numbers } of read) {
      const { status, last_seq } = await system.get(run_id);
      expect({ status, numbers }).toEqual({
        status: 'completed',
        numbers: Array.from({ length: last_seq }, (_, i) => i + 1),
      });
    }
    const legs = read.reduce((sum, journey) => sum + journey.legs, 0);
    expect(legs).toBeGreaterThan(2 * read.length);
  },
  TEST_WITHIN_MS,
);

async function eventsSoFar(run_id: string): Promise<number> {
  const [row] = await system.database.db.query<{ n: number }>(
    'select last_seq as n from runs where id = $1',
    [run_id],
  );
  return Number(row!.n);
}
