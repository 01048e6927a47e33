import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { startGround, type Ground } from '../ground';
import { cpuOf } from './cpu';

/**
 * Our run of 7 activities (plan, judge, 3 tools at once, 1 that needs them, answer; all instant) over HTTP and SSE, against a bare workflow
 * of 7 ordinary no-op activities, on one server, in turns. Usage: npm run bench:orchestration [rounds].
 */
const ROUNDS = Number(process.argv[2] ?? 5);
/** Runs one after another, per round. */
const ALONE = 30;
/** Runs in flight, and runs in all, per round. */
const IN_FLIGHT = 50;
const LOADED = 400;
const GOAL = 'calculate 12 * 7, 3 + 4 and 10 - 2, then calculate the sum of the results';

interface Side {
  name: string;
  once(): Promise<void>;
  processes: Record<string, number>;
}

interface Figures {
  p50_ms: number;
  runs_s: number;
  cpu_ms: Record<string, number>;
}

async function main(): Promise<void> {
  const ground = await startGround({});
  try {
    const bareWorker = await ground.start('bench/orchestration/bare-worker.ts');
    const connection = await Connection.connect({ address: ground.temporal_address });
    const { temporal: server, worker, api, postgres } = ground.pids;
    const ours: Side = {
      name: 'longhaul',
      once: () => longhaulRun(ground),
      processes: { server, worker, api, postgres },
    };
    const bare: Side = {
      name: 'bare',
      once: () => bareRun(new Client({ connection })),
      processes: { server, worker: bareWorker.process.pid! },
    };
    await compare(ours, bare);
    await connection.close();
  } finally {
    await ground.stop();
  }
}

async function compare(ours: Side, bare: Side): Promise<void> {
  for (const side of [ours, bare]) await load(side, IN_FLIGHT, 100); // warm-up
  const results: { ours: Figures; bare: Figures }[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const result = { ours: await measure(ours), bare: await measure(bare) };
    results.push(result);
    print(`round ${round}`, result);
  }
  const ratio = (pick: (figures: Figures) => number) =>
    median(results.map((result) => pick(result.ours) / pick(result.bare))).toFixed(2);
  process.stdout.write(
    `\nmedian of ${ROUNDS} rounds, longhaul / bare: p50 alone ${ratio(({ p50_ms }) => p50_ms)}, ` +
      `runs/s at ${IN_FLIGHT} in flight ${ratio(({ runs_s }) => runs_s)}\n`,
  );
}

function print(title: string, result: { ours: Figures; bare: Figures }): void {
  for (const [name, { p50_ms, runs_s, cpu_ms }] of Object.entries(result)) {
    const cpu = Object.entries(cpu_ms).map(([part, ms]) => `${part} ${ms.toFixed(1)}`);
    process.stdout.write(
      `${title}  ${name.padEnd(4)}  p50 alone ${p50_ms.toFixed(0)} ms  ${runs_s.toFixed(1)} runs/s  CPU per run, ms: ${cpu.join(', ')}\n`,
    );
  }
}

async function measure(side: Side): Promise<Figures> {
  const times: number[] = [];
  for (let i = 0; i < ALONE; i += 1) {
    const began = performance.now();
    await side.once();
    times.push(performance.now() - began);
  }
  const before = Object.entries(side.processes).map(([name, pid]) => [name, cpuOf(pid)] as const);
  const seconds = await load(side, IN_FLIGHT, LOADED);
  const cpu_ms = Object.fromEntries(
    before.map(([name, cpu]) => [name, ((cpuOf(side.processes[name]!) - cpu) * 1_000) / LOADED]),
  );
  return { p50_ms: median(times), runs_s: LOADED / seconds, cpu_ms };
}

/** Runs `count` with `in_flight` at once. @returns seconds it took. */
async function load(side: Side, in_flight: number, count: number): Promise<number> {
  let left = count;
  const began = performance.now();
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await side.once();
    }
  };
  await Promise.all(Array.from({ length: in_flight }, lane));
  return (performance.now() - began) / 1_000;
}

async function longhaulRun({ api_url, headers }: Ground): Promise<void> {
  const id = await submit({ api_url, headers });
  const events = await fetch(`${api_url}/v1/runs/${id}/events`, {
    headers: { ...headers, accept: 'text/event-stream' },
  });
  const text = await events.text();
  if (!text.includes('event: run.completed')) throw new Error(`The run was not completed:\n${text}`);
}

/** As a client does that is told to come back: the first requests of a process that is still compiling may be shed. */
async function submit({ api_url, headers }: Pick<Ground, 'api_url' | 'headers'>): Promise<string> {
  const body = JSON.stringify({ goal: GOAL, user: user() });
  for (;;) {
    const reply = await fetch(`${api_url}/v1/runs`, { method: 'POST', headers, body });
    const said = (await reply.json()) as { id: string };
    if (reply.status === 202) return said.id;
    if (reply.status !== 503) throw new Error(`The run was not taken: ${JSON.stringify(said)}`);
    await sleep(Number(reply.headers.get('retry-after')) * 1_000);
  }
}

async function bareRun(client: Client): Promise<void> {
  await client.workflow.execute('bare', { taskQueue: 'bare', workflowId: crypto.randomUUID() });
}

let users = 0;
/** Every run has a todo list of its own, so that lists do not grow from run to run. */
function user(): string {
  users += 1;
  return `bench-${users}`;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
