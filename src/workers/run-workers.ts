import { setTimeout as sleep } from 'node:timers/promises';
import { NativeConnection, Runtime, type RuntimeOptions, type Worker } from '@temporalio/worker';
import { createActivities } from '../activities';
import type { Config } from '../config';
import type { CrashPoint } from '../contracts/crash-point';
import { connectionOptions, openDatabase, type Database } from '../db/database';
import { createInputCheck } from '../planning/input-check';
import { createClosedWorkflows } from '../runs/closed-workflows';
import { createKnownWorkflows } from '../runs/known-workflows';
import { Reconciler, type ReconcilerDeps } from '../runs/reconcile';
import { RunStarts, type RunStartsDeps } from '../runs/run-starts';
import { createRunWorkflows } from '../runs/run-workflows';
import { stopRequest } from '../process-end';
import type { Logger } from '../telemetry/logger';
import { createTelemetry, type Telemetry } from '../telemetry/telemetry';
import { loadTools } from '../tools/load-tools';
import type { Brain } from './brain';
import { createWorker } from './create-worker';
import { outliveTools } from './outlive-tools';
import { freeLoopbackAddress, serveMetrics, type MetricsServer } from './serve-metrics';
import { temporalLog } from './temporal-log';

/** Pause between two tries to reach Temporal at the start, milliseconds. */
const CONNECT_EVERY_MS = 500;
/** What an operator reads of a run whose workflow was lost. */
const LOST_RUN = {
  started: 'it was started again',
  cancelled: 'it ended as cancelled, as was wished',
  timed_out: 'its time was over',
} as const;

/** Runs the workers of a process, one per role, until it is told to stop; then lets go of what it does in good order. */
export async function runWorkers(
  config: Config,
  createBrain: (config: Config, db: Database) => Brain,
): Promise<void> {
  const tools = loadTools(config.LONGHAUL_TOOL_PACKS);
  const telemetry = createTelemetry({ ...config.log, name: 'worker', tools: tools.catalogue.names() });
  const { log, context } = telemetry;
  outliveTools(log, context, () => process.exit(1));
  for (const warning of config.warnings) log.warn(warning);
  const metrics = await installRuntime(config, telemetry);
  const stop = stopRequest();
  const db = openDatabase({
    url: config.DATABASE_URL,
    pool: config.LONGHAUL_DB_POOL,
    name: 'longhaul worker',
    onFacts: telemetry.onFacts,
    onIdleError: (err) => log.warn({ err }, 'A connection to Postgres was lost.'),
  });
  const brain = createBrain(config, db);
  const connection = await connect(config, log, stop);
  if (connection === null) return end(db, metrics);
  const checkInput = createInputCheck();
  telemetry.watch({
    pool: db.connections,
    caches: { input_schemas: checkInput.compiled },
    models: () => brain.pool?.states() ?? Promise.resolve([]),
  });
  const activities = createActivities({
    db,
    tools,
    checkInput,
    ...brain.parts,
    crashPoint: crashAt(config.LONGHAUL_CRASH_POINT),
  });
  const workers = await Promise.all(
    config.LONGHAUL_ROLES.map((role) =>
      createWorker(role, {
        connection,
        namespace: config.TEMPORAL_NAMESPACE,
        queue: config.LONGHAUL_TASK_QUEUE,
        activities,
        context,
        bundle: config.LONGHAUL_WORKFLOW_BUNDLE,
        grace_s: config.LONGHAUL_SHUTDOWN_GRACE_S,
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  // Workers first: only one that polls is given the first task of what it starts.
  const beside = config.LONGHAUL_ROLES.includes('runs') ? careForRuns(config, db, connection, log) : [];
  log.info({ roles: config.LONGHAUL_ROLES }, 'The worker polls.');
  process.send?.('ready');

  await Promise.race([stop, running]);
  log.info('The worker stops.');
  // Starts end first: a first task that comes to a worker which stops is lost until its time is over.
  await Promise.all(beside.map((one) => one.close()));
  for (const worker of workers) shutDown(worker);
  await running;
  await connection.close();
  await end(db, metrics);
}

async function end(db: Database, metrics: MetricsServer | null): Promise<void> {
  await metrics?.close();
  await db.close();
}

/** Sets the SDK's runtime up; with a port for metrics the SDK's own go with ours. */
async function installRuntime(
  { LONGHAUL_METRICS_HOST: host, LONGHAUL_METRICS_PORT: port }: Config,
  { log, register }: Telemetry,
): Promise<MetricsServer | null> {
  // One place decides when the process ends: the SDK's own handlers would swallow the signals.
  const options: RuntimeOptions = { shutdownSignals: [], logger: temporalLog(log) };
  if (port === 0) {
    Runtime.install(options);
    return null;
  }
  const sdk_address = await freeLoopbackAddress();
  Runtime.install({
    ...options,
    telemetryOptions: { metrics: { prometheus: { bindAddress: sdk_address, useSecondsForDurations: true } } },
  });
  return serveMetrics({ host, port, register, sdk_address, log });
}

/** Waits for Temporal. @returns null when the process is to stop before it was there. */
async function connect(config: Config, log: Logger, stop: Promise<void>): Promise<NativeConnection | null> {
  let stopped = false;
  void stop.then(() => (stopped = true));
  for (let tries = 1; !stopped; tries += 1) {
    try {
      return await NativeConnection.connect({ address: config.TEMPORAL_ADDRESS });
    } catch (err) {
      if (tries % 10 === 1) log.warn({ err }, 'Temporal cannot be reached; the worker tries again.');
      await sleep(CONNECT_EVERY_MS);
    }
  }
  return null;
}

/**
 * Who cares for runs besides carrying them out: starts new ones, repeats wishes, ends those whose workflows were terminated, starts those
 * again whose workflows were lost. On processes of the role `runs` alone: whoever starts a workflow gets its first task.
 */
function careForRuns(
  { DATABASE_URL: url, TEMPORAL_NAMESPACE: namespace, LONGHAUL_TASK_QUEUE: queue }: Config,
  db: Database,
  connection: NativeConnection,
  log: Logger,
): { close(): Promise<void> }[] {
  const temporal = { connection, namespace };
  const workflows = createRunWorkflows(temporal, queue);
  const known = createKnownWorkflows(temporal);
  const onFault = (what: string, err: unknown) => log.warn({ err }, what);
  const onSettled: ReconcilerDeps['onSettled'] = ({ id: run_id, tenant, request_id, trace_id }, became) =>
    log.warn({ run_id, tenant, request_id, trace_id }, `Temporal had lost the run; ${LOST_RUN[became]}.`);
  const reconciler = new Reconciler({
    db,
    lock: connectionOptions(url, 'longhaul reconciler'),
    workflows,
    closed: createClosedWorkflows(temporal, queue),
    known,
    onSettled,
    onFault,
  });
  reconciler.start();
  const onNotStarted: RunStartsDeps['onNotStarted'] = ({ id: run_id, tenant, request_id, trace_id }, err) =>
    log.warn(
      { run_id, tenant, request_id, trace_id, err },
      'Temporal did not take the run; it is started later.',
    );
  return [reconciler, new RunStarts({ db, url, workflows, known, onNotStarted, onFault })];
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

/** Ends the process as a crash does when it comes to the point that the settings name, if they name one. */
function crashAt(set: CrashPoint | undefined): (point: CrashPoint) => void {
  return (point) => {
    if (point === set) process.kill(process.pid, 'SIGKILL');
  };
}
