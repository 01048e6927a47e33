import { PLANTED } from '../support/planted-plans';
import { startSystem, type System } from '../support/stack';

describe('The rule judge', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ worker: 'test/support/planted-worker.ts' });
  });
  afterAll(() => system.stop());

  test.each(PLANTED)(
    'rejects a plan in which there is $defect, three times, and nothing of it is carried out',
    async ({ goal }) => {
      const run = await system.submit({ goal, user: goal });
      expect(await system.ended(run.id)).toMatchObject({
        status: 'failed',
        error: { code: 'plan_rejected' },
        progress: { rounds: 3 },
      });
      const events = await system.events(run.id);
      const verdicts = events.filter(({ type }) => type === 'judge.verdict');
      expect(verdicts).toHaveLength(3);
      for (const { data } of verdicts) {
        expect(data).toMatchObject({
          accepted: false,
          threshold: 0.8,
          issues: [expect.any(String), ...(data as { issues: string[] }).issues.slice(1)],
        });
      }
      // Nobody was told that these steps would run, so nobody is told that they do not.
      expect(events.filter(({ type }) => type.startsWith('step.'))).toEqual([]);
    },
  );
});
