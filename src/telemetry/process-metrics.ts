import { Gauge, collectDefaultMetrics, type Registry } from 'prom-client';

/** How old the answer about the queue may be, milliseconds: however often somebody asks, Postgres is asked no more often. */
const QUEUE_AGE_MS = 3_000;

/** What a process is asked for when its metrics are read. */
export interface ProcessSources {
  pool: () => { open: number; idle: number; waiting: number };
  /** Entries of each cache, by its name. */
  caches: Record<string, () => number>;
  /** Age of the oldest run that no worker has begun, seconds; 0 when there is none. */
  queueAge?: () => Promise<number>;
  /** How the endpoints of models stand. */
  models?: () => Promise<{ name: string; state: string; in_flight: number }[]>;
}

/** Memory, CPU and event loop of this process (the default metrics of prom-client), its pool and its caches. */
export function watchProcess(register: Registry, { pool, caches, queueAge, models }: ProcessSources): void {
  const registers = [register];
  collectDefaultMetrics({ register });
  new Gauge({
    name: 'db_pool_connections',
    help: 'Open connections to Postgres, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const { open, idle } = pool();
      this.set({ state: 'idle' }, idle);
      this.set({ state: 'busy' }, open - idle);
    },
  });
  new Gauge({
    name: 'db_pool_waiting',
    help: 'Callers that wait for a connection to Postgres.',
    registers,
    collect() {
      this.set(pool().waiting);
    },
  });
  new Gauge({
    name: 'cache_entries',
    help: 'Entries of the caches of this process, by cache.',
    labelNames: ['cache'],
    registers,
    collect() {
      for (const [cache, size] of Object.entries(caches)) this.set({ cache }, size());
    },
  });
  if (queueAge !== undefined) watchQueue(register, queueAge);
  if (models !== undefined) watchModels(register, models);
}

function watchQueue(register: Registry, queueAge: () => Promise<number>): void {
  let asked_ms = -Infinity;
  new Gauge({
    name: 'queue_age_seconds',
    help: 'Age of the oldest run that no worker has begun; 0 when there is none.',
    registers: [register],
    async collect() {
      if (performance.now() - asked_ms < QUEUE_AGE_MS) return;
      asked_ms = performance.now();
      // Postgres away: no number is better than an old one, and the others must be told all the same.
      await queueAge().then(
        (age) => this.set(age),
        () => this.remove(),
      );
    },
  });
}

/** One series an endpoint and state, so that a board can count those that are open. */
function watchModels(register: Registry, models: NonNullable<ProcessSources['models']>): void {
  const registers = [register];
  const calls = new Gauge({
    name: 'model_calls_in_flight',
    help: 'Calls of this process under way, by endpoint.',
    labelNames: ['endpoint'],
    registers,
  });
  new Gauge({
    name: 'model_endpoint_state',
    help: '1 for the state of the breaker of an endpoint, as all workers see it.',
    labelNames: ['endpoint', 'state'],
    registers,
    async collect() {
      // Postgres away: no state is better than an old one.
      const standings = await models().catch(() => []);
      this.reset();
      for (const { name, state, in_flight } of standings) {
        this.set({ endpoint: name, state }, 1);
        calls.set({ endpoint: name }, in_flight);
      }
    },
  });
}
