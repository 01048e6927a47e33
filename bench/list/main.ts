import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { openDatabase, type Records } from '../../src/db/database';
import { migrate } from '../../src/db/migrate';
import { listRuns, type RunFilter, type RunPage } from '../../src/db/run-list';
import { startPostgres } from '../../src/dev/postgres';
import { percentile } from '../percentile';
import { LARGE, seed } from './seed';

/**
 * What pages of GET /v1/runs cost the database, among few runs and among many: the same, if every filter has its index.
 * Usage: npm run bench:list [runs, 1,000,000] [rounds, 30].
 */
const MANY = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = Number(process.argv[3] ?? 30);
const FEW = 10_000;
const LIMIT = 20;

const NO_FILTER: RunFilter = {
  status: null,
  tag: null,
  words: null,
  created_after: null,
  created_before: null,
  superseded: null,
  origin: null,
  root: null,
};

/** What is asked of a table of so many runs. */
function questions(count: number): [string, RunPage][] {
  const page = (filter: Partial<RunFilter>, more: Partial<RunPage> = {}): RunPage => ({
    filter: { ...NO_FILTER, ...filter },
    order: 'newest',
    cursor: null,
    limit: LIMIT,
    ...more,
  });
  const nth = (n: number) => `run_${String(n - (n % 3)).padStart(26, '0')}`; // of LARGE
  const middle = { side: 'after' as const, id: nth(count / 2) };
  const at = (n: number) => new Date(Date.UTC(2025, 0, 1) + n * 1_000).toISOString();
  return [
    ['first page', page({})],
    ['oldest first', page({}, { order: 'oldest' })],
    ['after half of them', page({}, { cursor: middle })],
    ['before half of them', page({}, { cursor: { ...middle, side: 'before' } })],
    ['status completed, 90 %', page({ status: ['completed'] })],
    ['status timed_out, 1 %', page({ status: ['timed_out'] })],
    ['status running, 20 runs', page({ status: ['running'] })],
    ['status waiting, none', page({ status: ['waiting'] })],
    ['two statuses, 6 %', page({ status: ['failed', 'timed_out'] })],
    ['two statuses, 20 runs', page({ status: ['running', 'queued'] })],
    ['tag nightly, 30 %', page({ tag: 'nightly' })],
    ['tag nightly after half', page({ tag: 'nightly' }, { cursor: middle })],
    ['tag order, 1 %', page({ tag: 'order' })],
    ['tag rare, 20 runs', page({ tag: 'rare' })],
    ['tag absent', page({ tag: 'absent' })],
    ['q calculate, all', page({ words: 'calculate' })],
    ['q invoice, 1 %', page({ words: 'invoice' })],
    ['q zebra, 20 runs', page({ words: 'zebra' })],
    ['q absent', page({ words: 'absent' })],
    ['q invoice zebra', page({ words: 'invoice zebra' })],
    ['created_after, newest 30', page({ created_after: at(count - 30) })],
    ['created_before, oldest 30', page({ created_before: at(30) })],
    ['superseded, 2 %', page({ superseded: true })],
    ['not superseded', page({ superseded: false })],
    ['origin api, 98 %', page({ origin: 'api' })],
    ['origin restart, 2 %', page({ origin: 'restart' })],
    ['origin fork, 20 runs', page({ origin: 'fork' })],
    ['a lineage of 1 %', page({ root: nth(9) })],
    ['a lineage of 1 %, oldest first', page({ root: nth(9) }, { order: 'oldest' })],
    ['a lineage of 1', page({ root: nth(33) })],
    ['a lineage of none', page({ root: 'run_absent' })],
    ['failed of a lineage of 1 %', page({ status: ['failed'], root: nth(9) })],
    ['failed and nightly', page({ status: ['failed'], tag: 'nightly' })],
    ['running and nightly', page({ status: ['running'], tag: 'nightly' })],
    ['completed and rare', page({ status: ['completed'], tag: 'rare' })],
    ['superseded and running', page({ status: ['running'], superseded: true })],
  ];
}

interface Figures {
  p50: number;
  p99: number;
}

async function main(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'longhaul-bench-'));
  const postgres = await startPostgres({ home, log: () => undefined, env: process.env });
  const client = new Client(postgres.url);
  try {
    await migrate(postgres.url);
    await client.connect();
    const results: [number, Map<string, Figures>][] = [];
    for (const count of [FEW, MANY]) {
      await seed(client, count);
      results.push([count, await measure(postgres.url, count)]);
    }
    print(results);
  } finally {
    await client.end();
    await postgres.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(url: string, count: number): Promise<Map<string, Figures>> {
  const db = openDatabase({ url, pool: 1, name: 'bench' });
  const records = db.of(LARGE);
  const figures = new Map<string, Figures>();
  for (const [name, page] of questions(count)) figures.set(name, await timed(records, page));
  const small = questions(count)[0]![1];
  figures.set('first page of a small tenant', await timed(db.of('tenant_2'), small, 'tenant_2'));
  await db.close();
  return figures;
}

async function timed(records: Records, page: RunPage, tenant = LARGE): Promise<Figures> {
  const times: number[] = [];
  for (let round = -3; round < ROUNDS; round += 1) {
    const began = performance.now();
    const found = await listRuns(records, tenant, page);
    if (found === null) throw new Error('The cursor of a question names no run.');
    if (round >= 0) times.push(performance.now() - began); // the first few warm up
  }
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}

function print(results: [number, Map<string, Figures>][]): void {
  const [[few, first], [many, second]] = results as [(typeof results)[0], (typeof results)[0]];
  const row = (cells: string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  row(['page of 20', `${few} runs: p50 ms`, 'p99', `${many} runs: p50 ms`, 'p99']);
  row(['---', '--:', '--:', '--:', '--:']);
  for (const [name, figures] of first) {
    const cells = [figures, second.get(name)!].flatMap(({ p50, p99 }) => [p50, p99]);
    row([name, ...cells.map((ms) => ms.toFixed(1))]);
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
