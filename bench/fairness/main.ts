import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase, type Database } from '../../src/db/database';
import { migrate } from '../../src/db/migrate';
import { startPostgres } from '../../src/dev/postgres';
import { startTemporal } from '../../src/dev/temporal-server';
import { submitRun } from '../../src/runs/submit';
import { bundleWorkflows } from '../../src/workers/bundle-workflows';
import { RULES } from '../../test/support/runs';
import { startProgram } from '../../test/support/stack';

/**
 * What a tenant feels of another one's flood. The flood keeps `FLOOD` runs open, each of `FLOOD_STEPS` slow steps at once, on the 50 slots of one
 * worker process: the last of them waits for about `FLOOD` × `FLOOD_STEPS` / 50 × `FLOOD_STEP_MS`. Once the flood is steady, the victim submits a
 * run now and then. Measured from submission to answer, by the rows; once as a tenant of its own, and once as another user of the flood's tenant,
 * who has no turn of its own. How many of the flood's steps began while a step of the victim waited tells the order of the queue apart from a slow
 * machine. Usage: npm run bench:fairness [mean of the flood's steps in ms, 5000].
 */
const FLOOD = 15;
/** Many, because a step costs the machine less than a run: what is measured is to be the queue, and not the machine. */
const FLOOD_STEPS = 10;
/** Mean of the flood's steps: with 5 s some ten end in a second, and what the victim waits for is the next one to end. */
const FLOOD_STEP_MS = Number(process.argv[2] ?? 5_000);
const VICTIM_STEP_MS = 500;
/** Enough for a p95 that is not the worst one. */
const VICTIM_RUNS = 60;
/** Pause between two submits of the victim, milliseconds: it asks for far less than its share, which is half of the slots that become free. */
const VICTIM_EVERY_MS = 1_500;
/**
 * Steps of the flood that have ended before the victim begins. The first ones take all slots at one moment, and none becomes free until the
 * shortest of them is over: no order of the queue helps a tenant that comes then. From the third lot on they end one by one.
 */
const STEADY_AFTER = 150;
/** Submits of the flood at once. */
const FLOODERS = 4;
const QUEUE = 'longhaul';

interface Bench {
  db: Database;
  /** Part of the names of the two users: each measurement has users of its own. */
  name: string;
  /** The tenant of both; each user is its own tenant when absent. */
  tenant?: string;
}

/** A run of the victim: from its submission to its answer, how long its step waited for a slot, and how many slots went to the flood meanwhile. */
interface Times {
  answer_ms: number;
  slot_ms: number;
  ahead: number;
}

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  const log = () => undefined;
  const { env } = process;
  const bundle = join(home, 'bundle.js');
  const [postgres, temporal] = await Promise.all([
    startPostgres({ home, log, env }),
    startTemporal({ home, log, env }),
    bundleWorkflows({ outFile: bundle }),
  ]);
  await migrate(postgres.url);
  const worker = await startProgram('src/workers/main.ts', {
    ...env,
    NODE_ENV: 'development',
    LOG_LEVEL: 'error',
    DATABASE_URL: postgres.url,
    TEMPORAL_ADDRESS: temporal.address,
    LONGHAUL_TASK_QUEUE: QUEUE,
    LONGHAUL_WORKFLOW_BUNDLE: bundle,
    LONGHAUL_TOOL_PACKS: join(__dirname, '..', '..', 'test', 'support', 'tool-pack.ts'),
  });
  const db = openDatabase({ url: postgres.url, pool: 20, name: 'bench' });
  try {
    await measure({ db, name: 'warm-up' }, false);
    const alone = await measure({ db, name: 'alone' }, false);
    print('alone', alone, alone);
    print('flood of another tenant', await measure({ db, name: 'fair' }, true), alone);
    const together = { db, name: 'together', tenant: 'everybody' };
    print('flood of the same tenant', await measure(together, true), alone);
  } finally {
    await db.close();
    await worker.kill();
    await temporal.stop();
    await postgres.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(bench: Bench, flooded: boolean): Promise<Times[]> {
  const stop = new AbortController();
  const victim = `victim-${bench.name}`;
  const flooders = flooded ? Array.from({ length: FLOODERS }, () => flood(bench, stop.signal)) : [];
  if (flooded) await until(async () => (await endedSteps(bench, `flood-${bench.name}`)) >= STEADY_AFTER);
  for (let i = 0; i < VICTIM_RUNS; i += 1) {
    await submit(bench, victim, [VICTIM_STEP_MS]);
    await sleep(VICTIM_EVERY_MS);
  }
  await until(async () => (await openRuns(bench, victim)) === 0);
  stop.abort();
  await Promise.all(flooders);
  await until(async () => (await openRuns(bench, `flood-${bench.name}`)) === 0);
  const rows = await bench.db.query<Times>(
    `select extract(epoch from r.finished_at - r.created_at)::float8 * 1000 as answer_ms,
       extract(epoch from started.time - planned.time)::float8 * 1000 as slot_ms,
       (select count(*)::int from events e join runs f on f.id = e.run_id where f."user" = $2 and e.type = 'step.started'
         and e.time between planned.time and started.time) as ahead
     from runs r join events planned on planned.run_id = r.id and planned.type = 'plan.created'
       join events started on started.run_id = r.id and started.type = 'step.started'
     where r."user" = $1 and r.status = 'completed'`,
    [victim, `flood-${bench.name}`],
  );
  if (rows.length !== VICTIM_RUNS) throw new Error(`${VICTIM_RUNS - rows.length} runs of the victim failed.`);
  return rows;
}

async function flood(bench: Bench, stop: AbortSignal): Promise<void> {
  const user = `flood-${bench.name}`;
  while (!stop.aborted) {
    // Of different lengths, so that slots do not become free in waves.
    const steps = Array.from({ length: FLOOD_STEPS }, () =>
      Math.round(FLOOD_STEP_MS * (0.5 + Math.random())),
    );
    if ((await openRuns(bench, user)) < FLOOD) await submit(bench, user, steps);
    else await sleep(100);
  }
}

async function submit({ db, tenant: of }: Bench, user: string, steps: number[]): Promise<void> {
  const tenant = of ?? user;
  await submitRun(
    {
      records: db.of(tenant),
      rules: RULES,
      open_runs: 2 * FLOOD,
      forecastAnswer: () => null,
    },
    {
      tenant,
      body: {
        goal: 'wait',
        user,
        plan: { steps: steps.map((ms, i) => ({ id: `wait_${i}`, tool: 'test.wait', input: { ms } })) },
      },
      idempotency_key: null,
      request_id: null,
      trace_id: null,
    },
  );
}

async function openRuns({ db }: Bench, user: string): Promise<number> {
  const [row] = await db.query<{ open: number }>(
    `select count(*)::int as open from runs
     where "user" = $1 and status in ('queued', 'running', 'waiting', 'paused', 'cancelling')`,
    [user],
  );
  return row!.open;
}

async function endedSteps({ db }: Bench, user: string): Promise<number> {
  const [row] = await db.query<{ ended: number }>(
    `select count(*)::int as ended from runs r join events e on e.run_id = r.id
     where r."user" = $1 and e.type = 'step.completed'`,
    [user],
  );
  return row!.ended;
}

async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await sleep(100);
}

function print(name: string, times: Times[], alone: Times[]): void {
  const at = (of: Times[], pick: (one: Times) => number, share: number) =>
    of.map(pick).sort((a, b) => a - b)[Math.ceil(of.length * share) - 1]!;
  const answer = ({ answer_ms }: Times) => answer_ms;
  const slot = ({ slot_ms }: Times) => slot_ms;
  const ahead = (one: Times) => one.ahead;
  const ms = (value: number) => `${value.toFixed(0).padStart(6)} ms`;
  process.stdout.write(
    `${name.padEnd(30)} answer p50 ${ms(at(times, answer, 0.5))} p95 ${ms(at(times, answer, 0.95))}, ` +
      `${(at(times, answer, 0.95) / at(alone, answer, 0.95)).toFixed(2)} × alone; ` +
      `slot p50 ${ms(at(times, slot, 0.5))} p95 ${ms(at(times, slot, 0.95))}; ` +
      `of the flood ahead p50 ${at(times, ahead, 0.5)} p95 ${at(times, ahead, 0.95)}\n`,
  );
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
