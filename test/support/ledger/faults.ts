import type { CrashPoint } from '../../../src/contracts/crash-point';
import type { OwnPostgres } from '../own-postgres';
import type { Program } from '../stack';
import { startTcpProxy } from '../tcp-proxy';
import { EFFECT_CLASSES, LEDGER_CLASSES, type EffectClass, type LedgerClass } from './effect-classes';
import type { Acknowledgement } from './hit';
import { crashed, heldHits, holdTodos, triedInVain, type Outcome, type Stage } from './stage';

export type Outcomes = Partial<Record<EffectClass, Outcome>>;

/** One run for each class, one after the other: its worker kills itself at the crash point, and another one goes on. */
export async function killedAt(stage: Stage, point: CrashPoint): Promise<Outcomes> {
  const outcomes: Outcomes = {};
  const crash = { LONGHAUL_CRASH_POINT: point };
  for (const effect of EFFECT_CLASSES) {
    const isInstant = effect === 'transactional';
    if (isInstant) await stage.runs.stop();
    const dying = isInstant ? await stage.startRuns(crash) : await stage.startTools(crash);
    const run_id = await stage.begin(effect);
    await crashed(dying);
    const next = isInstant ? (stage.runs = await stage.startRuns()) : await stage.startTools();
    outcomes[effect] = await stage.settle(run_id, effect);
    if (!isInstant) await next.stop();
  }
  return outcomes;
}

/**
 * The worker stands still after the effect and before it knows, as a machine does that swaps or is moved. Temporal gives the work to
 * another worker, which ends it. Then the first one goes on as if nothing had been.
 */
export async function zombie(stage: Stage): Promise<Outcomes> {
  const { system, ledger } = stage;
  const old = [stage.runs, await stage.startTools()];
  const todos = await holdTodos(system.database.url);
  const runs = await beginAll(stage, { acknowledgement: 'held' });
  await Promise.all([heldHits(ledger, idsOf(runs, LEDGER_CLASSES)), todos.waited()]);
  for (const { process } of old) process.kill('SIGSTOP');
  stage.runs = await stage.startRuns();
  const tools = await stage.startTools();
  await todos.release();
  const before = await settleAll(stage, runs);
  for (const { process } of old) process.kill('SIGCONT');
  await ledger.release();
  // A worker that stops lets its calls end: once it is gone, the old one has said all that it had to say.
  await Promise.all(old.map((worker) => worker.stop()));
  const after = await settleAll(stage, runs);
  await tools.stop();
  const outcomes = Object.entries(after).map(([effect, outcome]) => {
    const { resolved } = before[effect as EffectClass]!;
    return [effect, { ...outcome, resolved }] as const;
  });
  return Object.fromEntries(outcomes);
}

/** What the ledger, or Postgres, has done is not heard of. */
export async function acknowledged(
  stage: Stage,
  acknowledgement: Acknowledgement,
  times = 1,
): Promise<Outcomes> {
  const tools = await stage.startTools();
  const runs = await beginAll(stage, { acknowledgement, times }, LEDGER_CLASSES);
  const outcomes = await settleAll(stage, runs);
  await tools.stop();
  return outcomes;
}

/** The reply to the commit of a tool's transaction gets lost, and its connection with it. */
export async function commitLost(stage: Stage): Promise<Outcomes> {
  const url = new URL(stage.system.database.url);
  let lost = 0;
  const loseReplyTo = () => {
    let added = false;
    return (sent: Buffer) => {
      added ||= sent.includes('insert into todos');
      if (!added || lost > 0 || !sent.includes('commit\0')) return false;
      lost += 1;
      return true;
    };
  };
  const wire = await startTcpProxy({ host: url.hostname, port: Number(url.port), loseReplyTo });
  url.port = String(wire.port);
  await stage.runs.stop();
  const behind = await stage.startRuns({ DATABASE_URL: url.href });
  const run_id = await stage.begin('transactional');
  const transactional = await stage.settle(run_id, 'transactional');
  if (lost === 0) throw new Error('No commit of a todo came by: nothing was lost.');
  await behind.stop();
  await wire.stop();
  stage.runs = await stage.startRuns();
  return { transactional };
}

/** Postgres goes away after the effect; what the tools gave finds nobody to keep it. Then it is back. */
export async function postgresRestarted(stage: Stage, postgres: OwnPostgres): Promise<Outcomes> {
  const { system, ledger } = stage;
  const tools: Program = await stage.startTools();
  const todos = await holdTodos(system.database.url);
  const runs = await beginAll(stage, { acknowledgement: 'held' });
  const ledgerRuns = idsOf(runs, LEDGER_CLASSES);
  await Promise.all([heldHits(ledger, ledgerRuns), todos.waited()]);
  await postgres.stop();
  await ledger.release();
  await triedInVain(ledgerRuns);
  await postgres.start();
  const outcomes = await settleAll(stage, runs);
  await tools.stop();
  return outcomes;
}

type Runs = Map<EffectClass, string>;

async function beginAll(
  stage: Stage,
  meets: Parameters<Stage['begin']>[1],
  classes: readonly EffectClass[] = EFFECT_CLASSES,
): Promise<Runs> {
  const runs: Runs = new Map();
  for (const effect of classes) runs.set(effect, await stage.begin(effect, meets));
  return runs;
}

async function settleAll(stage: Stage, runs: Runs): Promise<Outcomes> {
  const outcomes = await Promise.all(
    [...runs].map(async ([effect, run_id]) => [effect, await stage.settle(run_id, effect)] as const),
  );
  return Object.fromEntries(outcomes);
}

function idsOf(runs: Runs, classes: readonly LedgerClass[]): string[] {
  return classes.map((effect) => runs.get(effect)!);
}
