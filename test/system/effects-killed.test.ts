import { CRASH_POINTS } from '../../src/contracts/crash-point';
import { EFFECT_CLASSES } from '../support/ledger/effect-classes';
import { testCells } from '../support/ledger/expect-cells';
import { killedAt } from '../support/ledger/faults';
import { FAULTS } from '../support/ledger/matrix';
import { startStage, type Stage } from '../support/ledger/stage';

let stage: Stage;
beforeAll(async () => void (stage = await startStage()));
afterAll(() => stage.stop());

for (const point of CRASH_POINTS) testCells(FAULTS[point], EFFECT_CLASSES, () => killedAt(stage, point));
