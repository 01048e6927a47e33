import { claimEffect, noteDone, noteNotDone, settleEffects, type EffectRef } from '../../src/db/effects';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { blocked, gate } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** The effect of one step that two restarts of its run mean to make. */
function effectOf(step_id: string, run_id: string, key = step_id): EffectRef {
  return { key, tenant: 'tenant', effect_scope: 'run_old', step_id, run_id, tool: 'send' };
}
const claim = (effect: EffectRef, fence = 1) =>
  test_db.db.transaction((tx) => claimEffect(tx, effect, fence, true));
const statusOf = async (step_id: string) =>
  (await test_db.db.query<{ status: string }>('select status from effects where step_id = $1', [step_id]))[0]
    ?.status;

describe('Two restarts of one run that come to the same unsafe step at the same moment', () => {
  test.each([
    ['the same input', 'same'],
    ['inputs of their own', 'other'],
  ])('make one call: with %s', async (_which, key) => {
    const { open, opened } = gate();
    const made = gate();
    const first = test_db.db.transaction(async (tx) => {
      const claimed = await claimEffect(tx, effectOf(key, 'run_a', `${key}:a`), 1, true);
      made.open();
      await opened;
      return claimed;
    });
    await made.opened;
    const second = claim(effectOf(key, 'run_b', key === 'same' ? 'same:a' : 'other:b'));
    await Promise.race([blocked(test_db.owner, 1), second]).finally(open);
    expect(await first).toEqual({ kind: 'call' });
    expect(await second).toEqual({ kind: 'unknown' });
  });
});

describe('A call that is still under way when a restart has claimed its effect', () => {
  const zombie = { ...effectOf('late', 'run_a'), fence: 2 };
  const newer = { ...effectOf('late', 'run_b'), fence: 2 };

  test('notes nothing, also where both are the second start of their step', async () => {
    await claim(zombie, zombie.fence);
    expect(await claim(newer)).toEqual({ kind: 'unknown' });
    await settleEffects(test_db.db, newer, { happened: false }); // a person says so
    expect(await claim(newer, newer.fence)).toEqual({ kind: 'call' });
    await noteNotDone(test_db.db, zombie);
    expect(await statusOf('late')).toBe('started');
    await noteDone(test_db.db, newer, { output: 1 });
    expect(await statusOf('late')).toBe('done');
  });
});
