import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate';
import { freePort } from '../../src/dev/ports';
import { startPostgres } from '../../src/dev/postgres';
import { startTemporal } from '../../src/dev/temporal-server';
import { startProgram } from '../../test/support/stack';
import { cpuOf } from '../orchestration/cpu';
import { percentile } from '../percentile';

/**
 * What POST /v1/runs takes: one after another, and as many as there is room for. A real API process, Postgres and Temporal; no worker, so that
 * nothing but taking runs is measured. Usage: npm run bench:submit [alone, 500] [in flight, 32] [seconds, 10].
 */
const ALONE = Number(process.argv[2] ?? 500);
const IN_FLIGHT = Number(process.argv[3] ?? 32);
const SECONDS = Number(process.argv[4] ?? 10);
const KEY = 'lh_bench_development_key_of_the_benchmarks';
const BODY = JSON.stringify({
  goal: 'calculate 12 * 7 and (3 + 4) ^ 2',
  tags: ['bench'],
  metadata: { order: '17' },
});

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  const { env } = process;
  const options = { home, log: () => undefined, env };
  const [postgres, temporal] = await Promise.all([startPostgres(options), startTemporal(options)]);
  try {
    await migrate(postgres.url);
    const port = await freePort();
    const api = await startProgram('src/api/main.ts', {
      ...env,
      NODE_ENV: 'development',
      LOG_LEVEL: 'error',
      DATABASE_URL: postgres.url,
      TEMPORAL_ADDRESS: temporal.address,
      LONGHAUL_DEVELOPMENT_KEY: KEY,
      LONGHAUL_SUBMITS_PER_MINUTE: '1000000',
      LONGHAUL_OPEN_RUNS_PER_TENANT: '1000000',
      LONGHAUL_SHED_LAG_MS: '60000', // the flood is wanted
      PORT: String(port),
    });
    try {
      const processes = { api: api.process.pid!, postgres: postgres.pid, temporal: temporal.pid };
      await measure(`http://127.0.0.1:${port}/v1/runs`, processes);
    } finally {
      await api.stop();
    }
  } finally {
    await temporal.stop();
    await postgres.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(url: string, processes: Record<string, number>): Promise<void> {
  await alone(url, 200, {}); // warms up
  report('alone', await alone(url, ALONE, {}));
  report('alone, Idempotency-Key', await alone(url, ALONE, { keyed: true }));
  await flood(url, 2); // warms up
  const cpu = Object.entries(processes).map(([name, pid]) => [name, cpuOf(pid)] as const);
  const times = await flood(url, SECONDS);
  report(`${IN_FLIGHT} in flight`, times);
  const used = cpu.map(([name, before]) => {
    const ms = ((cpuOf(processes[name]!) - before) * 1_000) / times.length;
    return `${name} ${ms.toFixed(2)}`;
  });
  process.stdout.write(
    `${(times.length / SECONDS).toFixed(0)} runs/s; CPU per run, ms: ${used.join(', ')}\n`,
  );
}

async function alone(url: string, count: number, { keyed = false }): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) times.push(await submit(url, keyed));
  return times;
}

/** Keeps so many in flight for a time. @returns what each took, milliseconds */
async function flood(url: string, seconds: number): Promise<number[]> {
  const end = performance.now() + seconds * 1_000;
  const times: number[] = [];
  const lane = async () => {
    while (performance.now() < end) times.push(await submit(url, false));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return times;
}

async function submit(url: string, keyed: boolean): Promise<number> {
  const began = performance.now();
  const reply = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${KEY}`,
      'content-type': 'application/json',
      ...(keyed ? { 'idempotency-key': crypto.randomUUID() } : {}),
    },
    body: BODY,
  });
  await reply.arrayBuffer();
  if (reply.status !== 202) throw new Error(`The run was not taken: ${reply.status}.`);
  return performance.now() - began;
}

function report(name: string, times: number[]): void {
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)].map((ms) => ms.toFixed(1));
  process.stdout.write(`${name.padEnd(24)} p50 ${p50} ms  p99 ${p99} ms  (${times.length} runs)\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
