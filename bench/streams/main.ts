import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../../src/db/migrate';
import { openDatabase, type Database } from '../../src/db/database';
import { append } from '../../src/events/append';
import { freePort } from '../../src/dev/ports';
import { startPostgres } from '../../src/dev/postgres';
import { fact, newRun } from '../../test/support/runs';
import { startProgram, type Program } from '../../test/support/stack';
import { cpuOf } from '../orchestration/cpu';
import type { Order, Report } from './readers';

/**
 * One API process with many readers: from the commit of an event to its arrival, and what that costs. Usage: npm run bench:streams --
 * [sse|ws] [idle], where `idle` leaves out all but the memory of readers that nothing is sent to. The server needs a file descriptor per
 * reader: `ulimit -n` of 12,000 or more.
 */
const ONLY = process.argv.slice(2);
const WIRES = (['sse', 'ws'] as const).filter((wire) =>
  ONLY.every((word) => word === wire || word === 'idle'),
);
const KEY = 'lh_bench_development_key_of_the_benchmarks';
const IDLE = 10_000;
/** Processes that the readers are spread over. */
const CLIENTS = 2;
/** Time that memory gets to settle, milliseconds. */
const SETTLE_MS = 5_000;

interface Load {
  readers: number;
  runs: number;
  /** Events in all, and the pause between two of them. */
  events: number;
  every_ms: number;
}
const LOADS: Load[] = [
  { readers: 1, runs: 1, events: 200, every_ms: 25 },
  { readers: 100, runs: 1, events: 200, every_ms: 25 },
  { readers: 1_000, runs: 1, events: 60, every_ms: 100 },
  { readers: 5_000, runs: 1, events: 20, every_ms: 500 },
  { readers: 5_000, runs: 1_000, events: 2_000, every_ms: 5 },
];

async function main(): Promise<void> {
  if (WIRES.length === 0) throw new Error('Usage: npm run bench:streams -- [sse|ws] [idle]');
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  const postgres = await startPostgres({ home, log: () => undefined, env: process.env });
  await migrate(postgres.url);
  const db = openDatabase({ url: postgres.url, pool: 10, name: 'bench' });
  const clients = Array.from({ length: CLIENTS }, () =>
    fork(join(__dirname, 'readers.ts'), { execArgv: ['--import', 'tsx'] }),
  );
  try {
    for (const wire of WIRES) await benchWire(wire, postgres.url, db, clients);
  } finally {
    for (const client of clients) client.kill();
    await db.close();
    await postgres.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function benchWire(
  wire: 'sse' | 'ws',
  url: string,
  db: Database,
  clients: ChildProcess[],
): Promise<void> {
  if (!ONLY.includes('idle')) await benchLoads(wire, url, db, clients);
  const [program, port] = await startApi(url);
  await idle({ wire, port, program, db, clients });
  await program.kill();
}

async function benchLoads(
  wire: 'sse' | 'ws',
  url: string,
  db: Database,
  clients: ChildProcess[],
): Promise<void> {
  print(`\n${wire}: readers  runs   p50 ms   p99 ms   max ms  arrived  CPU us/delivery  API MB`);
  for (const load of LOADS) {
    const [program, port] = await startApi(url);
    await measure(load, { wire, port, program, db, clients });
    await program.kill();
  }
}

async function startApi(url: string): Promise<[Program, number]> {
  const port = await freePort();
  const program = await startProgram('src/api/main.ts', {
    ...process.env,
    NODE_ENV: 'development',
    LOG_LEVEL: 'error',
    DATABASE_URL: url,
    LONGHAUL_DEVELOPMENT_KEY: KEY,
    LONGHAUL_STREAMS_PER_KEY: '20000',
    LONGHAUL_STREAMS_PER_MINUTE: '1000000',
    PORT: String(port),
  });
  return [program, port];
}

interface Place {
  wire: 'sse' | 'ws';
  port: number;
  program: Program;
  db: Database;
  clients: ChildProcess[];
}

async function measure({ readers, runs, events, every_ms }: Load, place: Place): Promise<void> {
  const { program, db, clients } = place;
  const ids = await newRuns(db, runs);
  await openAll(place, ids, readers);
  await sleep(1_000);
  const pid = program.process.pid!;
  const cpu = cpuOf(pid);
  const commits: Record<string, number> = {};
  const writes: Promise<void>[] = [];
  for (let i = 0; i < events; i += 1) {
    const run_id = ids[i % ids.length]!;
    writes.push(
      append(db, run_id, { attempt: 1, events: [fact(`f${i}`)] }).then(({ last_seq }) => {
        commits[`${run_id}:${last_seq}`] = performance.timeOrigin + performance.now();
      }),
    );
    await sleep(every_ms);
  }
  await Promise.all(writes);
  await sleep(1_000);
  const used_s = cpuOf(pid) - cpu;
  const reports = await ask(clients, () => ({ do: 'report', commits }));
  const times = reports.flatMap((report) => (typeof report === 'object' ? report.latencies : []));
  times.sort((a, b) => a - b);
  const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))]!.toFixed(1);
  const expected = (readers / runs) * events;
  const cells = [at(0.5), at(0.99), at(1), `${((100 * times.length) / expected).toFixed(0)} %`];
  const costs = [((used_s * 1e6) / expected).toFixed(1).padStart(16), memoryOf(pid).toFixed(0).padStart(7)];
  print(
    `${String(readers).padStart(wireColumns(place.wire))} ${String(runs).padStart(5)} ${cells.map((cell) => cell.padStart(8)).join(' ')} ${costs.join(' ')}`,
  );
  await ask(clients, () => ({ do: 'close' }));
}

const wireColumns = (wire: string) => wire.length + 9;

async function idle(place: Place): Promise<void> {
  const { program, db, clients } = place;
  const ids = await newRuns(db, 100);
  const pid = program.process.pid!;
  await openAll(place, ids, 500); // what the first readers cost is not what each one costs
  await ask(clients, () => ({ do: 'close' }));
  await sleep(SETTLE_MS);
  const before = memoryOf(pid);
  await openAll(place, ids, IDLE);
  await sleep(SETTLE_MS);
  const after = memoryOf(pid);
  const cpu = cpuOf(pid);
  await sleep(10_000);
  const share = (cpuOf(pid) - cpu) * 10;
  print(
    `${IDLE} idle ${place.wire} readers: ${(after - before).toFixed(0)} MB more (${before.toFixed(0)} → ${after.toFixed(0)}), ${share.toFixed(1)} % of one core`,
  );
  await ask(clients, () => ({ do: 'close' }));
}

async function newRuns(db: Database, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i += 1) ids.push(await newRun(db, { tenant: 'development' }));
  return ids;
}

async function openAll({ wire, port, clients }: Place, ids: string[], readers: number): Promise<void> {
  const all = Array.from({ length: readers }, (_, i) => ids[i % ids.length]!);
  await ask(clients, (place) => ({
    do: 'open',
    wire,
    port,
    key: KEY,
    runs: all.filter((_, i) => i % CLIENTS === place),
  }));
}

function ask(clients: ChildProcess[], order: (place: number) => Order): Promise<Report[]> {
  return Promise.all(
    clients.map(async (client, place) => {
      client.send(order(place));
      const [report] = (await once(client, 'message')) as [Report];
      return report;
    }),
  );
}

/** Resident memory of a process, megabytes. Linux only. */
function memoryOf(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) / 1_024;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
