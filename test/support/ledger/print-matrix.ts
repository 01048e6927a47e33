import { CRASH_POINTS } from '../../../src/contracts/crash-point';
import setUp from '../global-setup';
import tearDown from '../global-teardown';
import { startOwnPostgres } from '../own-postgres';
import { acknowledged, commitLost, killedAt, postgresRestarted, zombie, type Outcomes } from './faults';
import { FAULTS, tableOf, type Fault } from './matrix';
import { startStage, type Stage } from './stage';

/** Plays every fault for every class, as the tests do, and prints what came of it: `npm run effects:matrix`. */
async function main(): Promise<void> {
  await setUp();
  const played = new Map<Fault, Outcomes>();
  const stage = await startStage();
  for (const point of CRASH_POINTS) played.set(FAULTS[point], await killedAt(stage, point));
  played.set(FAULTS.zombie, await zombie(stage));
  const lost = { ...(await acknowledged(stage, 'ack_lost')), ...(await commitLost(stage)) };
  played.set(FAULTS.ack_lost, lost);
  played.set(FAULTS.slow_ack, await acknowledged(stage, 'slow_ack'));
  played.set(FAULTS.flaky, await acknowledged(stage, 'flaky', 2));
  await stage.stop();
  played.set(FAULTS.postgres, await withoutPostgres());
  process.stdout.write(`${tableOf(played)}\n`);
  await tearDown();
}

async function withoutPostgres(): Promise<Outcomes> {
  const postgres = await startOwnPostgres();
  const stage: Stage = await startStage({ database: postgres.database });
  const outcomes = await postgresRestarted(stage, postgres);
  await stage.stop();
  return outcomes;
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
