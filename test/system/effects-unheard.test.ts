import { EFFECT_CLASSES, LEDGER_CLASSES } from '../support/ledger/effect-classes';
import { testCells } from '../support/ledger/expect-cells';
import { acknowledged, commitLost, zombie } from '../support/ledger/faults';
import { FAULTS } from '../support/ledger/matrix';
import { startStage, type Stage } from '../support/ledger/stage';

let stage: Stage;
beforeAll(async () => void (stage = await startStage()));
afterAll(() => stage.stop());

testCells(FAULTS.ack_lost, EFFECT_CLASSES, async () => ({
  ...(await acknowledged(stage, 'ack_lost')),
  ...(await commitLost(stage)),
}));
testCells(FAULTS.slow_ack, LEDGER_CLASSES, () => acknowledged(stage, 'slow_ack'));
testCells(FAULTS.flaky, LEDGER_CLASSES, () => acknowledged(stage, 'flaky', 2));
testCells(FAULTS.zombie, EFFECT_CLASSES, () => zombie(stage));
