import { expectWhole } from '../model-runs';
import type { EffectClass } from './effect-classes';
import type { Outcomes } from './faults';
import { expectedOf, PROMISES, type Fault } from './matrix';

/** Limit for all runs of one fault together, milliseconds: each waits for a heartbeat that does not come, and for new workers. */
const WITHIN_MS = 180_000;

/** Plays a fault once for all classes, then looks at each in a test of its own. */
export function testCells(
  fault: Fault,
  classes: readonly EffectClass[],
  play: () => Promise<Outcomes>,
): void {
  describe(`After ${fault.name},`, () => {
    let outcomes: Outcomes;
    beforeAll(async () => void (outcomes = await play()), WITHIN_MS);

    test.each(classes.map((effect) => [PROMISES[effect], effect] as const))('%s', (_, effect) => {
      const { hits, effects, events, ...outcome } = outcomes[effect]!;
      const { effects: allowed, hits: asked, ...expected } = expectedOf(effect, fault);
      expect(outcome).toEqual(expected);
      expect(effects).toBeGreaterThanOrEqual(allowed.least);
      expect(effects).toBeLessThanOrEqual(allowed.most);
      expect(hits ?? 0).toBeGreaterThanOrEqual(asked.least);
      expect(hits ?? 0).toBeLessThanOrEqual(asked.most);
      expectWhole(events, 'run.completed');
      const questions = events.filter(({ type }) => type === 'step.needs_attention');
      const answers = events.filter(({ type }) => type === 'step.resolved');
      expect([questions.length, answers.length]).toEqual(expected.resolved === null ? [0, 0] : [1, 1]);
    });
  });
}
