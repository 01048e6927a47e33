import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase, type Database } from '../../src/db/database';
import { startGround, type Ground } from '../ground';
import { cpuOf } from '../orchestration/cpu';
import { percentile } from '../percentile';
import { hopLines, hopsOf } from './hops';
import { firstOf, followedRun, submittedRun } from './runs';
import { clock, REPLY_MS, STORIES, type ProviderReport, type Served } from './stories';

/**
 * Runs that ask models, against a provider whose replies take 500 ms each: how soon the first step is shown, what a run takes beyond its
 * replies and where, and what many open runs do to one worker process. Usage: npm run bench:models [runs alone, 30] [runs at once, 500]
 * [max_parallel of the endpoints, 1000]. Settings of the worker, such as LONGHAUL_DB_POOL, are taken from the environment.
 */
const ALONE = Number(process.argv[2] ?? 30);
const AT_ONCE = Number(process.argv[3] ?? 500);
const MAX_PARALLEL = Number(process.argv[4] ?? 1_000);
const WARM_UP = 3;
/** Submits under way at once. */
const LANES = 40;
/** Pause between two looks at how many runs are open, milliseconds. */
const LOOK_EVERY_MS = 250;
/** Runs at once that take longer than this are given up, milliseconds. */
const GIVEN_UP_MS = 300_000;

async function main(): Promise<void> {
  const provider = fork(join(__dirname, 'provider.ts'), { execArgv: ['--import', 'tsx'] });
  const { url } = await next<{ url: string }>();
  const endpoint = (model: string) => [{ model, base_url: url, max_parallel: MAX_PARALLEL }];
  const ground = await startGround({
    LONGHAUL_MODELS: JSON.stringify({ small: endpoint('small-1'), medium: endpoint('medium-1') }),
    LONGHAUL_SHED_LAG_MS: '60000', // the flood is wanted
  });
  try {
    if (ALONE > 0) {
      await firstStep(ground, journal);
      await overhead(ground, journal);
    }
    if (AT_ONCE > 0) await atOnce(ground, { ...ground.pids, provider: provider.pid! }, journal);
  } finally {
    await ground.stop();
    provider.kill();
  }

  async function next<Report extends ProviderReport>(): Promise<Report> {
    const [report] = (await once(provider, 'message')) as [Report];
    return report;
  }
  /** What the provider served since the last time. */
  async function journal(): Promise<Record<string, Served[]>> {
    provider.send('journal');
    const report = await next<Extract<ProviderReport, { journal: unknown }>>();
    for (const why of report.refused) print(`  the provider refused: ${why}`);
    return report.journal;
  }
}

type Journal = () => Promise<Record<string, Served[]>>;

async function firstStep(ground: Ground, journal: Journal): Promise<void> {
  const rules = { mode: 'plan_only', judge: { enabled: false } };
  const runs = await alone((tag) => followedRun(ground, tag, rules), 'streamed');
  const calls = await journal();
  const times = runs.map((run) => {
    const sent = calls[run.tag]![0]!.parts[0]! - run.submitted;
    const seen = firstOf(run, 'plan.step_drafted') - run.submitted;
    return { sent, seen, ratio: seen / sent };
  });
  const p = (pick: (time: (typeof times)[number]) => number, percent = 50) =>
    percentile(times.map(pick), percent);
  print(`\nFirst step shown, ${runs.length} runs alone, ${load()}`);
  print(`  left the provider   p50 ${p(({ sent }) => sent).toFixed(0)} ms after the submit`);
  print(`  shown               p50 ${p(({ seen }) => seen).toFixed(0)} ms after the submit`);
  print(
    `  shown / left        p50 ${p(({ ratio }) => ratio).toFixed(3)}  p95 ${p(({ ratio }) => ratio, 95).toFixed(3)}  (goal: at most 1.2)`,
  );
}

async function overhead(ground: Ground, journal: Journal): Promise<void> {
  const runs = await alone((tag) => followedRun(ground, tag), 'six');
  const calls = await journal();
  const times = runs.map((run) => {
    const wall = firstOf(run, 'run.completed') - run.submitted;
    const served = calls[run.tag]!.reduce((sum, { arrived, parts }) => sum + parts.at(-1)! - arrived, 0);
    return { nominal: wall / (STORIES.six.length * REPLY_MS) - 1, beyond: wall - served };
  });
  const p50 = (pick: (time: (typeof times)[number]) => number) => percentile(times.map(pick), 50);
  print(
    `\nRuns of ${STORIES.six.length} model calls of ${REPLY_MS} ms, ${runs.length} runs alone, ${load()}`,
  );
  print(
    `  overhead            p50 ${(100 * p50(({ nominal }) => nominal)).toFixed(2)} %  (goal: at most 3 %)`,
  );
  const least = Math.min(...times.map(({ beyond }) => beyond)).toFixed(1);
  print(
    `  beyond the replies  p50 ${p50(({ beyond }) => beyond).toFixed(1)} ms, least ${least} ms, which are (p50 and least of each, ms; then p50 of what was seen in it):`,
  );
  for (const line of hopLines(runs.map((run) => hopsOf(run, calls[run.tag]!)))) print(line);
}

/** Runs of a story one after another, those of the warm-up left out. */
async function alone<Run>(run: (tag: string) => Promise<Run>, story: string): Promise<Run[]> {
  const runs: Run[] = [];
  for (let i = 1; i <= WARM_UP + ALONE; i += 1) runs.push(await run(`${story}-${i}`));
  return runs.slice(WARM_UP);
}

async function atOnce(ground: Ground, pids: Record<string, number>, journal: Journal): Promise<void> {
  const db = openDatabase({ url: ground.database_url, pool: 2, name: 'bench' });
  try {
    const tags = Array.from({ length: AT_ONCE }, (_, i) => `six-${1_000 + i}`);
    const cpu = Object.entries(pids).map(([name, pid]) => [name, pid, cpuOf(pid)] as const);
    const began = clock();
    const [, most_open] = await Promise.all([submitAll(ground, tags), untilOver(db, tags)]);
    const seconds = (clock() - began) / 1_000;
    const calls = await journal();
    const used = cpu.map(([name, pid, before]) => {
      return `${name} ${(((cpuOf(pid) - before) * 1_000) / AT_ONCE).toFixed(0)}`;
    });
    print(`\n${AT_ONCE} runs at once, one worker process, max_parallel ${MAX_PARALLEL}, ${load()}`);
    print(`  open at once        ${most_open}`);
    print(`  throughput          ${(AT_ONCE / seconds).toFixed(1)} runs/s (${seconds.toFixed(1)} s)`);
    print(`  calls at once       ${mostAtOnce(Object.values(calls).flat())}`);
    print(`  peak memory         worker ${peakMemoryOf(pids.worker!).toFixed(0)} MB`);
    print(`  CPU per run, ms     ${used.join(', ')}`);
    print(`  ended               ${JSON.stringify(await endsOf(db, tags))}`);
    print(`  calls tried again   ${JSON.stringify(await repeatedOf(db, tags))}`);
  } finally {
    await db.close();
  }
}

async function submitAll(ground: Ground, tags: string[]): Promise<void> {
  const waiting = [...tags];
  const lane = async () => {
    for (let tag = waiting.pop(); tag !== undefined; tag = waiting.pop()) await submittedRun(ground, tag);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** Waits until all are submitted and over. @returns how many were open at once, as far as was looked */
async function untilOver(db: Database, tags: string[]): Promise<number> {
  const given_up = clock() + GIVEN_UP_MS;
  for (let most = 0; ;) {
    const [count] = await db.query<{ open: number; over: number }>(
      `select count(*) filter (where finished_at is null)::int as open, count(finished_at)::int as over
       from runs where "user" = any($1)`,
      [tags],
    );
    most = Math.max(most, count!.open);
    if (count!.over === tags.length || clock() > given_up) return most;
    await sleep(LOOK_EVERY_MS);
  }
}

/** How many runs ended how; the degraded ones apart. */
function endsOf(db: Database, tags: string[]): Promise<object[]> {
  return db.query(
    `select status, error->>'code' as code, degraded is not null as degraded, count(*)::int
     from runs where "user" = any($1) group by 1, 2, 3`,
    [tags],
  );
}

/** Model calls that took more than one try of their activity, and more than one request. */
async function repeatedOf(db: Database, tags: string[]): Promise<object> {
  const [counts] = await db.query<object>(
    `select count(*)::int as calls, count(*) filter (where fence > 1)::int as several_tries,
       sum(fence - 1)::int as further_tries, count(*) filter (where calls > 1)::int as several_requests
     from model_calls join runs on runs.id = run_id where "user" = any($1)`,
    [tags],
  );
  return counts!;
}

function mostAtOnce(calls: Served[]): number {
  const turns = calls.flatMap(({ arrived, parts }) => [
    { at: arrived, by: 1 },
    { at: parts.at(-1) ?? Infinity, by: -1 },
  ]);
  let now = 0;
  return Math.max(0, ...turns.sort((a, b) => a.at - b.at).map(({ by }) => (now += by)));
}

/** The most resident memory that a process ever had, megabytes. Linux only. */
function peakMemoryOf(pid: number): number {
  const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) / 1_024;
}

function load(): string {
  return `load average ${loadavg()[0]!.toFixed(1)}`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
