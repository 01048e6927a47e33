import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { Run, SubmitRun } from '../../src/contracts/run';
import type { RunEvent } from '../../src/contracts/event';
import { freePort } from '../../src/dev/ports';
import { readSse } from '../../src/watch/read-sse';
import { ownLimits } from '../../src/dev/stack-settings';
import { createTestDatabase, servers, type TestDatabase } from './database';
import { eventually } from './eventually';
import type { LogLines } from './log-lines';
import { startTcpProxy, type TcpProxy } from './tcp-proxy';

const ROOT = join(__dirname, '..', '..');
const KEY = 'lh_test_development_key_of_the_system_tests';

/** A process of the system, as operators start it. */
export interface Program {
  readonly process: ChildProcess;
  /** Ends it without a word, as a crash does. */
  kill(): Promise<void>;
  /** Tells it to stop and waits until it has. */
  stop(): Promise<void>;
}

/** One of several API processes; it keeps its port when it is started again. */
export interface ApiProgram extends Program {
  readonly port: number;
}

export interface SystemOptions {
  /** Instead of a copy of the template; dropped with the system. */
  database?: TestDatabase;
  /** Settings beyond the usual ones. */
  settings?: Record<string, string>;
  /** Main file of the worker. */
  worker?: string;
  /** Takes what each process writes to its log, instead of the log of the test run. */
  logs?: { api: LogLines; worker: LogLines };
  /** Where they are started, with a `node_modules`; the package when absent. */
  folder?: string;
  /** API and worker reach Temporal through a wire that can be cut. */
  temporalBehindProxy?: boolean;
}

/** One API and one worker as processes of their own, on a database and task queues of their own. */
export interface System {
  readonly database: TestDatabase;
  readonly api_url: string;
  /** The key that all requests carry. */
  readonly key: string;
  /** The wire to Temporal, where one was asked for. */
  readonly temporal: TcpProxy | null;
  worker: Program;
  /** The first API process. */
  api: ApiProgram;
  /** Starts another one, on a free port unless told otherwise. */
  startApi(port?: number, settings?: Record<string, string>): Promise<ApiProgram>;
  /** Starts another one. @param settings over those of the system */
  startWorker(settings?: Record<string, string>): Promise<Program>;
  request(path: string, init?: RequestInit): Promise<Response>;
  submit(body: SubmitRun, headers?: Record<string, string>): Promise<Run>;
  get(run_id: string): Promise<Run>;
  /** The run once it has ended. */
  ended(run_id: string): Promise<Run>;
  events(run_id: string): Promise<RunEvent[]>;
  /** How Temporal shows the workflow of a run, once it stands so there. */
  describe(run_id: string, status: string): Promise<Description>;
  /** Follows a run by SSE to its end. */
  follow(run_id: string): Promise<RunEvent[]>;
  stop(): Promise<void>;
}

export interface Description {
  workflowId: string;
  staticSummary: string | undefined;
  searchAttributes: Record<string, unknown>;
  fairnessKey: string | undefined;
  /** Whether the first task went out with the reply to the start. */
  startedEagerly: boolean;
}

export async function startSystem({
  temporalBehindProxy = false,
  settings = {},
  logs,
  folder,
  worker: workerMain = 'src/workers/main.ts',
  ...given
}: SystemOptions = {}): Promise<System> {
  const database = given.database ?? (await createTestDatabase());
  const port = await freePort();
  const [host, temporal_port] = servers().temporal_address.split(':');
  const temporal = temporalBehindProxy
    ? await startTcpProxy({ host: host!, port: Number(temporal_port) })
    : null;
  const env = {
    ...process.env,
    ...ownLimits(process.env),
    NODE_ENV: 'test',
    LOG_LEVEL: 'warn',
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal === null ? servers().temporal_address : `127.0.0.1:${temporal.port}`,
    LONGHAUL_WORKFLOW_BUNDLE: servers().bundle,
    LONGHAUL_TASK_QUEUE: `test-${process.pid}-${port}`,
    LONGHAUL_DEVELOPMENT_KEY: KEY,
    LONGHAUL_TOOL_PACKS: join(__dirname, 'tool-pack.ts'),
    LONGHAUL_SHUTDOWN_GRACE_S: '2',
    // How busy the machine is, is no matter of these tests.
    LONGHAUL_SHED_LAG_MS: '60000',
    PORT: String(port),
    ...settings,
  };
  const api_url = `http://127.0.0.1:${port}`;
  const started: Program[] = [];
  const start = async (main: string, more: Record<string, string> = {}) => {
    const log = main === workerMain ? logs?.worker : logs?.api;
    const program = await startProgram(
      main,
      { ...env, ...more },
      { ...(log && { log }), ...(folder !== undefined && { folder }) },
    );
    started.push(program);
    return program;
  };
  const startApi = async (own: number, more: Record<string, string> = {}) => ({
    ...(await start('src/api/main.ts', { ...more, PORT: String(own) })),
    port: own,
  });
  const [api, worker] = await Promise.all([startApi(port), start(workerMain)]);

  const request = (path: string, init: RequestInit = {}) =>
    fetch(`${api_url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...init.headers },
    });
  const json = async <T>(path: string) => (await (await request(path)).json()) as T;
  const get = (run_id: string) => json<Run>(`/v1/runs/${run_id}`);
  return {
    database,
    api_url,
    key: KEY,
    temporal,
    api,
    startApi: async (own, more) => startApi(own ?? (await freePort()), more),
    worker,
    startWorker: (more) => start(workerMain, more),
    request,
    get,
    async submit(body, headers = {}) {
      const reply = await request('/v1/runs', { method: 'POST', headers, body: JSON.stringify(body) });
      if (reply.status !== 202) throw new Error(`${reply.status}: ${await reply.text()}`);
      return (await reply.json()) as Run;
    },
    ended: (run_id) =>
      eventually(
        async () => {
          const run = await get(run_id);
          return run.finished_at === null ? undefined : run;
        },
        { within_ms: 60_000, what: `run ${run_id} to end` },
      ),
    async events(run_id) {
      const all: RunEvent[] = [];
      for (;;) {
        const page = await json<{ data: RunEvent[]; has_more: boolean }>(
          `/v1/runs/${run_id}/events?limit=500&after=${all.at(-1)?.seq ?? 0}`,
        );
        all.push(...page.data);
        if (!page.has_more) return all;
      }
    },
    async describe(run_id, status) {
      const connection = await Connection.connect({ address: servers().temporal_address });
      try {
        const handle = new Client({ connection }).workflow.getHandle(run_id);
        return await eventually(
          async () => {
            const described = await handle.describe();
            if (described.status.name !== status) return undefined;
            const { RunStatus, TenantId, RunOrigin } = described.searchAttributes;
            const searchAttributes = { TenantId, RunStatus, RunOrigin };
            return {
              workflowId: described.workflowId,
              staticSummary: await described.staticSummary(),
              searchAttributes,
              fairnessKey: described.priority?.fairnessKey,
              startedEagerly: await wasStartedEagerly(handle),
            };
          },
          { what: `Temporal to show ${run_id} as ${status}` },
        );
      } finally {
        await connection.close();
      }
    },
    async follow(run_id) {
      const all: RunEvent[] = [];
      for await (const frame of readSse(`${api_url}/v1/runs/${run_id}/events`, {
        headers: { authorization: `Bearer ${KEY}` },
      })) {
        if (frame.event !== 'stream.end') all.push(JSON.parse(frame.data) as RunEvent);
      }
      return all;
    },
    async stop() {
      await Promise.all(started.map((program) => program.stop()));
      await temporal?.stop();
      await database.drop();
    },
  };
}

/**
 * Starts a main file and waits until it says that it is ready. Its log goes to `log`, or to the log of the test run.
 * @param folder where it is started; it has a `node_modules`
 */
export async function startProgram(
  main: string,
  env: NodeJS.ProcessEnv,
  { log, folder = ROOT }: { log?: LogLines; folder?: string } = {},
): Promise<Program> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, main)], {
    cwd: folder,
    env,
    stdio: ['ignore', 'inherit', log === undefined ? 'inherit' : 'pipe', 'ipc'],
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => log?.write(text));
  const exited = once(child, 'exit');
  const ready = once(child, 'message');
  await Promise.race([
    ready,
    exited.then(([code]) => {
      throw new Error(`${main} ended with code ${code} before it was ready.`);
    }),
  ]);
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return { process: child, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

async function wasStartedEagerly(handle: WorkflowHandle): Promise<boolean> {
  const { events } = await handle.fetchHistory();
  return events?.[0]?.workflowExecutionStartedEventAttributes?.eagerExecutionAccepted === true;
}
