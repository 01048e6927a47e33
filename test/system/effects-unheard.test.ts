import { eventually } from '../support/eventually';
import { EFFECT_CLASSES, LEDGER_CLASSES, STEP } from '../support/ledger/effect-classes';
import { testCells } from '../support/ledger/expect-cells';
import { acknowledged, commitLost, zombie } from '../support/ledger/faults';
import { totalsOf } from '../support/ledger/hit';
import { FAULTS } from '../support/ledger/matrix';
import { heldHits, resolve, startStage, type Stage } from '../support/ledger/stage';

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

test('A tool that ignores its signal holds up no cancellation, and what it says afterwards changes nothing', async () => {
  const { system, ledger } = stage;
  const tools = await stage.startTools();
  const input = { ledger: ledger.url, acknowledgement: 'held' };
  const { id } = await system.submit({
    goal: 'Be deaf',
    plan: { steps: [{ id: STEP, tool: 'ledger.deaf', input }] },
  });
  await heldHits(ledger, [id]);
  await system.request(`/v1/runs/${id}/cancel`, { method: 'POST', body: '{}' });
  expect(await system.ended(id)).toMatchObject({ status: 'cancelled' });
  const events = await system.events(id);
  await ledger.release();
  await tools.stop();
  expect(await system.events(id)).toEqual(events);
  expect(totalsOf(ledger.hitsOf(id))).toEqual({ hits: 1, effects: 1 });
});

test('A question is asked, and answered, also while no worker is there to hear the answer', async () => {
  const { system, ledger } = stage;
  const tools = await stage.startTools();
  const asked = [await stage.begin('unsafe', { acknowledgement: 'ack_lost' })];
  asked.push(await stage.begin('unsafe', { acknowledgement: 'ack_lost' }));
  for (const id of asked) await eventually(async () => (await system.get(id)).status === 'waiting');
  await Promise.all([tools.kill(), stage.runs.kill()]);
  const [happened, did_not] = asked as [string, string];
  await resolve(system, happened, 'done');
  await resolve(system, did_not, 'not_done');
  expect(await Promise.all(asked.map(async (id) => (await system.get(id)).status))).toEqual([
    'running',
    'running',
  ]);

  stage.runs = await stage.startRuns();
  const next = await stage.startTools();
  for (const id of asked) expect(await system.ended(id)).toMatchObject({ status: 'completed' });
  await next.stop();
  expect(totalsOf(ledger.hitsOf(happened))).toEqual({ hits: 1, effects: 1 });
  // Whoever says that it did not happen is believed: the tool is called again.
  expect(totalsOf(ledger.hitsOf(did_not))).toEqual({ hits: 2, effects: 2 });
});
