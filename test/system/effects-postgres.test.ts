import { EFFECT_CLASSES } from '../support/ledger/effect-classes';
import { testCells } from '../support/ledger/expect-cells';
import { postgresRestarted } from '../support/ledger/faults';
import { FAULTS } from '../support/ledger/matrix';
import { startStage, type Stage } from '../support/ledger/stage';
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres';

let postgres: OwnPostgres;
let stage: Stage;
beforeAll(async () => {
  postgres = await startOwnPostgres();
  stage = await startStage({ database: postgres.database });
});
afterAll(() => stage.stop());

testCells(FAULTS.postgres, EFFECT_CLASSES, () => postgresRestarted(stage, postgres));
