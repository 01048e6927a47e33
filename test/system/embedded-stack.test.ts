import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { startPostgres } from '../../src/dev/postgres';
import { endProcess, isRunning, listProcesses, markOf } from '../../src/dev/processes';
import { startStack } from '../../src/dev/supervisor';
import { startTemporal } from '../../src/dev/temporal-server';
import { waitFor } from '../../src/dev/wait';

const ROOT = join(__dirname, '..', '..');
const isRoot = process.geteuid?.() === 0;
const log = () => undefined;
/** Longest wait for a process to be there, or to be gone, milliseconds. */
const WITHIN_MS = 60_000;
let home: string;
let starters: ChildProcess[];

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'longhaul-embedded-')));
  starters = [];
});

afterEach(async () => {
  for (const starter of starters) starter.kill('SIGKILL');
  // Every process of a stack names its home or is in its notes; a passed test has left none.
  for (const { pid, command } of listProcesses()) {
    const mark = command.includes(home) ? markOf(pid) : undefined;
    if (mark) await endProcess(mark, [{ signal: 'SIGKILL', wait_ms: WITHIN_MS }]);
  }
  rmSync(home, { recursive: true, force: true });
});

/** Runs `code` in a process of its own, which prints one line of JSON and then stays. */
async function startElsewhere<T>(
  code: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ said: T; process: ChildProcess }> {
  const program = `const say = (value) => console.log(JSON.stringify(value)); const log = () => {};
    const home = ${JSON.stringify(home)}; setInterval(() => {}, 60000);
    (async () => { ${code} })().catch((error) => { say({ error: error.message }); });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', program], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  starters.push(child);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { said: JSON.parse(line) as T, process: child };
}

async function killHard(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

interface Said {
  pid: number;
  adopted: boolean;
}

const POSTGRES = `const { startPostgres } = require('./src/dev/postgres.ts'); say(await startPostgres({ home, log, env: process.env }));`;
const TEMPORAL = `const { startTemporal } = require('./src/dev/temporal-server.ts'); say(await startTemporal({ home, log, env: process.env }));`;

describe('embedded Postgres', () => {
  const start = () => startPostgres({ home, log, env: process.env });

  async function ask(url: string, query: string): Promise<unknown> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<{ answer: unknown }>(query)).rows[0]?.answer;
    } finally {
      await client.end();
    }
  }

  test('makes a cluster, listens on the loopback only, keeps data over a stop and a start, and its port', async () => {
    const first = await start();
    expect(first.adopted).toBe(false);
    expect(
      await ask(
        first.url,
        `select current_database() || ' ' || current_setting('listen_addresses') as answer`,
      ),
    ).toBe('longhaul 127.0.0.1');
    await ask(first.url, 'create table kept as select 7 as answer');
    await first.stop();
    expect(markOf(first.pid)).toBeUndefined();
    const second = await start();
    expect(second).toMatchObject({ adopted: false, port: first.port });
    expect(await ask(second.url, 'select answer from kept')).toBe(7);
    await second.stop();
  });

  test('refuses a wrong password', async () => {
    const server = await start();
    await expect(ask(server.url.replace(/:[0-9a-f]{48}@/, ':wrong@'), 'select 1 as answer')).rejects.toThrow(
      /password/,
    );
    await server.stop();
  });

  test('adopts the server that a killed starter left', async () => {
    const { said, process: starter } = await startElsewhere<Said>(POSTGRES);
    await killHard(starter);
    const server = await start();
    expect(server).toMatchObject({ adopted: true, pid: said.pid });
    await server.stop();
    expect(markOf(said.pid)).toBeUndefined();
  });

  test('two starts at once share one server, which stays until its last user stops it', async () => {
    const starts = await Promise.all([
      startElsewhere<Said>(POSTGRES),
      startElsewhere<Said>(POSTGRES),
      start(),
    ]);
    const [one, other, mine] = [starts[0].said, starts[1].said, starts[2]];
    expect(new Set([one.pid, other.pid, mine.pid]).size).toBe(1);
    expect([one, other, mine].filter(({ adopted }) => !adopted)).toHaveLength(1);
    await mine.stop();
    expect(markOf(mine.pid)).toBeDefined();
    await killHard(starts[0].process);
    await killHard(starts[1].process);
    const last = await start();
    await last.stop();
    expect(markOf(mine.pid)).toBeUndefined();
  });

  test('starts although a dead server left its pid file and the number belongs to another program now', async () => {
    const first = await start();
    await endProcess(markOf(first.pid)!, [{ signal: 'SIGKILL', wait_ms: WITHIN_MS }]);
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)'], { stdio: 'ignore' });
    starters.push(bystander);
    const file = join(home, 'postgres', 'data', 'postmaster.pid');
    const [, ...rest] = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, [bystander.pid, ...rest].join('\n'));
    const second = await start();
    expect(second.adopted).toBe(false);
    expect(markOf(bystander.pid!)).toBeDefined();
    await second.stop();
    await killHard(bystander);
  });

  test('starts again after the starter was killed while it made the cluster', async () => {
    const code = POSTGRES.replace('const log', '');
    const { process: starter } = await startElsewhere(`say({}); ${code}`);
    const isMaking = () =>
      listProcesses().some(({ command }) => command.includes(home) && command.includes('initdb'));
    expect(await waitFor(isMaking, { limit_ms: WITHIN_MS, every_ms: 1 })).toBe(true);
    await killHard(starter);
    const server = await start();
    expect(await ask(server.url, 'select 1 as answer')).toBe(1);
    await server.stop();
  });

  (isRoot ? test : test.skip)('refuses a folder of another user, by name', async () => {
    chownSync(home, 12_345, 12_345);
    await expect(start()).rejects.toThrow(/belongs to user 12345, and this is user 0/);
  });

  (isRoot ? test : test.skip)('refuses data of another user, by name', async () => {
    const server = await start();
    await server.stop();
    chownSync(join(home, 'postgres'), 12_345, 12_345);
    await expect(start()).rejects.toThrow(/belong to user 12345, and the server would run as user/);
  });
});

describe('embedded Temporal', () => {
  const start = () => startTemporal({ home, log, env: process.env });

  test('adopts the server that a killed starter left, and stops it', async () => {
    const { said, process: starter } = await startElsewhere<Said & { address: string }>(TEMPORAL);
    await killHard(starter);
    const server = await start();
    expect(server).toMatchObject({ adopted: true, pid: said.pid, address: said.address });
    await server.stop();
    expect(markOf(said.pid)).toBeUndefined();
  });

  test('two starts at once share one server on one file', async () => {
    const [other, mine] = await Promise.all([startElsewhere<Said>(TEMPORAL), start()]);
    expect(mine.pid).toBe(other.said.pid);
    expect([other.said.adopted, mine.adopted].sort()).toEqual([false, true]);
    await killHard(other.process);
    await mine.stop();
    expect(markOf(mine.pid)).toBeUndefined();
  });
});

describe('development stack', () => {
  const API = `import http from 'node:http';
    const server = http.createServer((_, reply) => reply.end(process.env.NODE_ENV)).listen(Number(process.env.PORT), '127.0.0.1');
    process.on('SIGTERM', () => { server.close(); server.closeAllConnections(); process.exit(0); });`;
  // Ignores that its parent is gone: the next start must clear it away.
  const WORKER = `process.send!('ready'); setInterval(() => {}, 60_000); process.on('disconnect', () => {});`;
  const bundle = async () => undefined;
  let root: string;

  beforeEach(() => {
    root = join(home, 'package');
    for (const [file, text] of [
      ['src/api/main.ts', API],
      ['src/workers/main.ts', WORKER],
    ] as const) {
      mkdirSync(join(root, file, '..'), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  });

  const childMark = (name: string) =>
    JSON.parse(readFileSync(join(home, 'children', name), 'utf8')) as { pid: number; started: string };

  test('takes the next port, starts a dead worker again, and leaves no process when it stops', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const lines: string[] = [];
    const stack = startStack({
      home,
      root,
      env: { ...process.env, PORT: String(port) },
      log: (line) => lines.push(line),
      bundle,
    });
    const { api_url } = await stack.ready;
    expect(Number(new URL(api_url).port)).toBeGreaterThan(port);
    expect(lines).toContainEqual(expect.stringContaining(`Port ${port} is taken`));
    expect(await (await fetch(api_url)).text()).toBe('development');

    const worker = childMark('worker');
    process.kill(worker.pid, 'SIGKILL');
    expect(await waitFor(() => !isRunning(worker), { limit_ms: WITHIN_MS })).toBe(true);
    const next = await waitFor(
      () => lines.some((line) => line.startsWith('worker ended')) && readNext(worker.pid),
      { limit_ms: WITHIN_MS },
    );
    expect(next).toBeDefined();

    await stack.stop();
    squatter.close();
    expect(listProcesses().filter(({ command }) => command.includes(home))).toEqual([]);
    expect(isRunning(next!)).toBe(false);
  });

  function readNext(before: number): { pid: number; started: string } | undefined {
    try {
      const mark = childMark('worker');
      return mark.pid === before ? undefined : mark;
    } catch {
      return undefined; // between two lives the note is gone
    }
  }

  test('a second stack in the same home is refused; after kill -9 the next one clears the children and adopts the servers', async () => {
    const code = `const { startStack } = require('./src/dev/supervisor.ts');
      const stack = startStack({ home, root: ${JSON.stringify(root)}, env: { ...process.env, PORT: '0' }, log, bundle: async () => {} });
      say(await stack.ready);`;
    const { process: first, said } = await startElsewhere<{ database_url: string; temporal_address: string }>(
      code,
    );
    const options = { home, root, env: { ...process.env, PORT: '0' }, log, bundle };
    await expect(startStack(options).ready).rejects.toThrow(new RegExp(`in use by process ${first.pid}`));

    const children = [childMark('api'), childMark('worker')];
    await killHard(first);
    const postgres = new Client({ connectionString: said.database_url });
    await postgres.connect();
    const goneRun = `insert into runs (id, tenant, goal, rules, budget, deadline_at, root_run_id, temporal_namespace)
      values ('run_gone', 'tenant', 'a goal', '{}', '{}', now() + interval '1 hour', 'run_gone', 'of a file that was thrown away')`;
    await postgres.query(goneRun);
    await postgres.query(`update runs set status = 'running'`);
    const stack = startStack(options);
    const { database_url, temporal_address } = await stack.ready;
    const { rows } = await postgres.query('select temporal_namespace from runs');
    expect(rows).toEqual([{ temporal_namespace: 'any' }]); // whichever the stack has is the right one
    await postgres.end();
    expect({ database_url, temporal_address }).toEqual({
      database_url: said.database_url,
      temporal_address: said.temporal_address,
    });
    expect(children.filter(isRunning)).toEqual([]);
    await stack.stop();
    expect(listProcesses().filter(({ command }) => command.includes(home))).toEqual([]);
  });

  test('starts Postgres and Temporal again, at the same addresses, when they die', async () => {
    const lines: string[] = [];
    const stack = startStack({
      home,
      root,
      env: { ...process.env, PORT: '0' },
      log: (line) => lines.push(line),
      bundle,
    });
    await stack.ready;
    for (const pid of lines.flatMap((line) => /: started, .*pid (\d+)$/.exec(line)?.[1] ?? []))
      process.kill(Number(pid), 'SIGKILL');
    const repaired = () => lines.filter((line) => /: started, /.test(line)).length === 4;
    expect(await waitFor(repaired, { limit_ms: WITHIN_MS })).toBe(true);
    const ports = lines.flatMap((line) => /^(\w+): started, port (\d+)/.exec(line)?.slice(1).join(' ') ?? []);
    expect(new Set(ports).size).toBe(2);
    await stack.stop();
    expect(listProcesses().filter(({ command }) => command.includes(home))).toEqual([]);
  });

  test('says what a child printed when it does not start, and stops everything', async () => {
    writeFileSync(join(root, 'src/workers/main.ts'), `throw new Error('no tools today');`);
    const stack = startStack({ home, root, env: { ...process.env, PORT: '0' }, log, bundle });
    await expect(stack.ready).rejects.toThrow(/worker does not start[^]*no tools today/);
    expect(listProcesses().filter(({ command }) => command.includes(home))).toEqual([]);
  });
});
