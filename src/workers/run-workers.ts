import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import { createActivities, type ActivityDeps } from '../activities';
import type { Config } from '../config';
import { connectionOptions, openDatabase, type Database } from '../db/database';
import { createInputCheck } from '../planning/input-check';
import { Reconciler } from '../runs/reconcile';
import { createRunWorkflows } from '../runs/run-workflows';
import { stopRequest } from '../process-end';
import { createLogger, type Logger } from '../telemetry/logger';
import { loadTools } from '../tools/load-tools';
import { createWorker } from './create-worker';

/** Pause between two tries to reach Temporal at the start, milliseconds. */
const CONNECT_EVERY_MS = 500;

/** Who plans, judges and answers. */
export type Brain = Pick<ActivityDeps, 'planner' | 'judge' | 'writer'>;

/** Runs the workers of a process, one per role, until it is told to stop; then lets go of what it does in good order. */
export async function runWorkers(config: Config, brain: Brain): Promise<void> {
  const log = createLogger({ level: config.LOG_LEVEL, name: 'worker' });
  for (const warning of config.warnings) log.warn(warning);
  // One place decides when the process ends: the SDK's own handlers would swallow the signals.
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) =>
      log[level === 'ERROR' ? 'error' : 'warn'](meta, message),
    ),
  });
  const stop = stopRequest();
  const db = openDatabase({
    url: config.DATABASE_URL,
    pool: config.LONGHAUL_DB_POOL,
    name: 'longhaul worker',
    onIdleError: (err) => log.warn({ err }, 'A connection to Postgres was lost.'),
  });
  const connection = await connect(config, log, stop);
  if (connection === null) return db.close();
  const activities = createActivities({
    db,
    tools: loadTools(config.LONGHAUL_TOOL_PACKS),
    checkInput: createInputCheck(),
    ...brain,
  });
  const workers = await Promise.all(
    config.LONGHAUL_ROLES.map((role) =>
      createWorker(role, {
        connection,
        namespace: config.TEMPORAL_NAMESPACE,
        queue: config.LONGHAUL_TASK_QUEUE,
        activities,
        bundle: config.LONGHAUL_WORKFLOW_BUNDLE,
        grace_s: config.LONGHAUL_SHUTDOWN_GRACE_S,
      }),
    ),
  );
  const reconciler = config.LONGHAUL_ROLES.includes('runs')
    ? startReconciler(config, db, connection, log)
    : null;
  const running = Promise.all(workers.map((worker) => worker.run()));
  log.info({ roles: config.LONGHAUL_ROLES }, 'The worker polls.');
  process.send?.('ready');

  await Promise.race([stop, running]);
  log.info('The worker stops.');
  for (const worker of workers) shutDown(worker);
  await Promise.all([running, reconciler?.close()]);
  await connection.close();
  await db.close();
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

function startReconciler(
  config: Config,
  db: Database,
  connection: NativeConnection,
  log: Logger,
): Reconciler {
  const client = new Client({ connection, namespace: config.TEMPORAL_NAMESPACE });
  const reconciler = new Reconciler({
    db,
    lock: connectionOptions(config.DATABASE_URL, 'longhaul reconciler'),
    workflows: createRunWorkflows(client, config.LONGHAUL_TASK_QUEUE),
    onFault: (what, err) => log.warn({ err }, what),
  });
  reconciler.start();
  return reconciler;
}

function shutDown(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}
