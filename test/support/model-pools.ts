import type { FailureCode } from '../../src/contracts/failure';
import type { Tier } from '../../src/contracts/model';
import { Refusal } from '../../src/contracts/refusal';
import { openDatabase, type Database } from '../../src/db/database';
import { createEndpointStates } from '../../src/llm/endpoint-states';
import type { Endpoint, ModelRequest } from '../../src/llm/model';
import { createModelPool, LEASE_MS, type ModelPool, type PooledEndpoint } from '../../src/llm/model-pool';
import { createTestDatabase, type TestDatabase } from './database';

/** Workers of one test file: they share a database, and a clock that the test sets. */
export interface PoolWorkers {
  /** Milliseconds since 1970. */
  now: number;
  database: TestDatabase;
  /** A worker's pool; over a connection of its own where `db` is another. */
  worker(endpoints: PooledEndpoint[], db?: Database, lease_ms?: number): ModelPool;
  /** Two workers that ask the same endpoints. */
  two(endpoints: PooledEndpoint[]): readonly [ModelPool, ModelPool];
  /** An endpoint as the settings name it; its key is that of this test alone. */
  pooled(tier: Tier, endpoint: Endpoint, more?: Partial<PooledEndpoint>): PooledEndpoint;
}

/** Starts before all tests of a file, ends after them. */
export function poolWorkers(): PoolWorkers {
  let other: Database;
  let tests = 0;
  const workers: PoolWorkers = {
    now: 0,
    database: undefined as unknown as TestDatabase,
    worker: (endpoints, db = workers.database.db, lease_ms = LEASE_MS) => {
      const now = () => workers.now;
      return createModelPool({ endpoints, states: createEndpointStates({ db, now }), now, lease_ms });
    },
    two: (endpoints) => [workers.worker(endpoints), workers.worker(endpoints, other)],
    pooled: (tier, endpoint, more = {}) => ({
      endpoint,
      tier,
      key: `${tests} ${endpoint.name}`,
      max_parallel: 100,
      per_minute: 1_000,
      timeout_s: 60,
      ...more,
    }),
  };
  beforeAll(async () => {
    workers.database = await createTestDatabase();
    other = openDatabase({ url: workers.database.url, pool: 10, name: 'another worker' });
  });
  beforeEach(() => {
    tests += 1;
    workers.now = 1_700_000_000_000;
  });
  afterAll(async () => {
    await other.close();
    await workers.database.drop();
  });
  return workers;
}

const QUESTION: Omit<ModelRequest, 'tier'> = {
  messages: [{ role: 'user', content: 'Hello' }],
  format: null,
  max_output_tokens: 10,
};

/** Asks a pool. @returns the text of the reply */
export async function ask(
  pool: ModelPool,
  { tier = 'small', ...more }: { tier?: Tier } & Partial<Parameters<ModelPool['call']>[1]> = {},
): Promise<string> {
  const { signal } = new AbortController();
  const reply = await pool.call(
    { ...QUESTION, tier },
    { signal, before: () => Promise.resolve(), after: () => Promise.resolve(), ...more },
  );
  return reply.text;
}

/** The refusal that asking ends with. */
export async function refused(asked: Promise<string>): Promise<Refusal> {
  const thrown: unknown = await asked.then(
    (text) => `answered: ${text}`,
    (error: unknown) => error,
  );
  if (!(thrown instanceof Refusal)) throw new Error(`Not refused, but ${String(thrown)}.`);
  return thrown;
}

/** What an endpoint throws. */
export const failing = (code: FailureCode) => new Refusal(code, `it is ${code}`);

/** As many as are asked for, each made anew. */
export const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

/** An answer that comes when the test says so. */
export function held() {
  let give!: (text: string) => void;
  const coming = new Promise<string>((resolve) => (give = resolve));
  return { give, answer: () => coming };
}

/** State and calls under way of each endpoint, by name. */
export async function standing(pool: ModelPool): Promise<Record<string, [string, number]>> {
  const states = await pool.states();
  return Object.fromEntries(states.map(({ name, state, in_flight }) => [name, [state, in_flight]]));
}
