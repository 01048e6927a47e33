import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acceptKeys } from '../../src/api/accepted-keys';
import { createRateLimits } from '../../src/api/rate-limits';
import type { RateLimit } from '../../src/contracts/rate-limit';
import { createApiKey, findAcceptedKey } from '../../src/db/api-keys';
import { openDatabase, type Database } from '../../src/db/database';
import { migrate } from '../../src/db/migrate';
import { startPostgres } from '../../src/dev/postgres';
import { submitRun } from '../../src/runs/submit';
import { RULES, newRun } from '../../test/support/runs';

/** What keys and limits cost a request, against a Postgres on this machine, one after another. Usage: npm run bench:limits. */
const TIMES = 2_000;
const IN_FLIGHT = 20;
const MANY = 1_000_000;

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  const postgres = await startPostgres({ home, log: () => undefined, env: process.env });
  try {
    await migrate(postgres.url);
    const db = openDatabase({ url: postgres.url, pool: IN_FLIGHT, name: 'bench' });
    await measureRequests(db);
    await measureSubmits(db);
    await db.close();
  } finally {
    await postgres.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measureRequests(db: Database): Promise<void> {
  const { secret } = await createApiKey(db, 'tenant', 'bench');
  const keys = acceptKeys(db, { production: true, onFault: () => undefined });
  const options = { production: true };
  await time('an empty statement', () => db.query('select 1'));
  await time('a key looked up', () => findAcceptedKey(db, secret, options));
  await time('a key remembered', () => keys.find(secret));
  const key = (await keys.find(secret))!;
  const quotas = { submits: MANY, writes: MANY, reads: 600, streams: 120 };
  for (const kind of ['submits', 'reads'] satisfies RateLimit[]) {
    // A limit of the usual size counts in the usual parts; each round has a window of its own.
    const limits = createRateLimits({ db, quotas });
    const begin = () => db.query('delete from rate_windows');
    await time(`a request of the ${kind} counted`, () => limits.take(key, kind), { every: 500, begin });
  }
  await keys.close();
}

async function measureSubmits(db: Database): Promise<void> {
  for (const open of [0, 1_000]) {
    const tenant = `tenant-${open}`;
    for (let i = 0; i < open; i += 1) await newRun(db, { tenant });
    await time(`${open} open runs counted`, () =>
      db.of(tenant).query('select count_open_runs($1, $2)', [tenant, MANY]),
    );
  }
  let newcomers = 0;
  const afresh = () => submit(db, `newcomer-${(newcomers += 1)}`, MANY);
  await time('a submit of a tenant without open runs', afresh, { times: 300 });
  await time('a submit of a tenant with 1,000', () => submit(db, 'tenant-1000', MANY), { times: 300 });
  await rate('submits of one tenant', () => submit(db, 'together', MANY));
  let tenants = 0;
  await rate('submits of as many tenants', () => submit(db, `apart-${(tenants += 1)}`, MANY));
}

async function submit(db: Database, tenant: string, open_runs: number): Promise<void> {
  await submitRun(
    {
      records: db.of(tenant),
      rules: RULES,
      open_runs,
      forecastAnswer: () => null,
    },
    {
      tenant,
      body: { goal: 'a goal' },
      idempotency_key: null,
      request_id: null,
      trace_id: null,
    },
  );
}

interface Rounds {
  times?: number;
  /** Calls between two `begin`s. */
  every?: number;
  begin?: () => Promise<unknown>;
}

/** Prints how long one call takes, mean and median. */
async function time(
  name: string,
  act: () => Promise<unknown>,
  { times = TIMES, every = times, begin = async () => undefined }: Rounds = {},
): Promise<void> {
  for (let i = 0; i < 50; i += 1) await act(); // warm-up
  const taken: number[] = [];
  for (let i = 0; i < times; i += 1) {
    if (i % every === 0) await begin();
    const began = performance.now();
    await act();
    taken.push(performance.now() - began);
  }
  taken.sort((a, b) => a - b);
  const mean = taken.reduce((sum, ms) => sum + ms, 0) / times;
  const median = taken[Math.floor(times / 2)]!;
  process.stdout.write(
    `${name.padEnd(44)} mean ${(mean * 1_000).toFixed(0).padStart(6)} µs  median ${(median * 1_000).toFixed(0).padStart(6)} µs\n`,
  );
}

/** Prints how many a second are done with `IN_FLIGHT` at once. */
async function rate(name: string, act: () => Promise<unknown>): Promise<void> {
  let left = TIMES;
  const began = performance.now();
  const lane = async () => {
    while ((left -= 1) >= 0) await act();
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - began) / 1_000;
  process.stdout.write(
    `${name.padEnd(44)} ${(TIMES / seconds).toFixed(0).padStart(6)} a second, ${IN_FLIGHT} at once\n`,
  );
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
