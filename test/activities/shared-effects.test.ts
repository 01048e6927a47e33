import { createTemplateAnswer } from '../../src/planning/template-answer';
import { claimEffect, noteDone, noteNotDone, settleEffects, type EffectRef } from '../../src/db/effects';
import { depsWith, plannedRun, pure } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { LIMITS, RESTART, playOut, repeat } from '../support/reruns';
import { blocked, gate } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** The effect of one step that two restarts of its run mean to make. */
function effectOf(step_id: string, run_id: string, key = step_id): EffectRef {
  return { key, tenant: 'tenant', effect_scope: 'run_old', step_id, run_id, tool: 'send' };
}
const claim = (effect: EffectRef, fence = 1) =>
  test_db.db.transaction((tx) => claimEffect(tx, effect, fence, 'unsafe'));
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
      const claimed = await claimEffect(tx, effectOf(key, 'run_a', `${key}:a`), 1, 'unsafe');
      made.open();
      await opened;
      return claimed;
    });
    await made.opened;
    const second = claim(effectOf(key, 'run_b', key === 'same' ? 'same:a' : 'other:b'));
    await Promise.race([blocked(test_db.owner, 1), second]).finally(open);
    expect(await first).toEqual({ kind: 'call' });
    expect(await second).toMatchObject({ kind: 'unknown' });
  });
});

describe('A call that is still under way when a restart has claimed its effect', () => {
  const zombie = { ...effectOf('late', 'run_a'), fence: 2 };
  const newer = { ...effectOf('late', 'run_b'), fence: 2 };

  test('notes nothing, also where both are the second start of their step', async () => {
    await claim(zombie, zombie.fence);
    expect(await claim(newer)).toMatchObject({ kind: 'unknown' });
    await settleEffects(test_db.db, newer, { happened: false }); // a person says so
    expect(await claim(newer, newer.fence)).toEqual({ kind: 'call' });
    await noteNotDone(test_db.db, zombie);
    expect(await statusOf('late')).toBe('started');
    await noteDone(test_db.db, newer, { output: 1 });
    expect(await statusOf('late')).toBe('done');
  });
});

describe('A change in our own Postgres that two restarts of one run mean to make', () => {
  test('is made once: the second one finds it', async () => {
    let isBroken = true;
    const door = pure('gate', () => (isBroken ? Promise.reject(new Error('broken')) : Promise.resolve({})), {
      max_attempts: 1,
    });
    const deps = depsWith(test_db.db, [door], { writer: createTemplateAnswer() });
    const steps = [
      { id: 'first', tool: 'gate' },
      { id: 'add', tool: 'todo.add', input: { text: 'buy milk' }, needs: ['first'] },
    ];
    const run_id = await plannedRun(deps, steps, { rules: LIMITS });
    expect(await playOut(deps, run_id)).toBe('failed');
    isBroken = false;
    const restarts = [await repeat(deps, run_id, RESTART), await repeat(deps, run_id, RESTART)];
    for (const { id } of restarts) expect(await playOut(deps, id)).toBe('completed');
    const todos = await test_db.db.query('select id, text from todos');
    expect(todos).toEqual([{ id: expect.any(String) as string, text: 'buy milk' }]);
    const outputs = await test_db.db.query(
      `select output from steps where id = 'add' and status = 'completed'`,
    );
    expect(outputs).toEqual([
      { output: { ...todos[0], done: false } },
      { output: { ...todos[0], done: false } },
    ]);
  });
});
