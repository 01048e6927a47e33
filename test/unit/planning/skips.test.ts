import fc from 'fast-check';
import type { Outline, OutlineStep } from '../../../src/contracts/outline';
import { skippedBy } from '../../../src/planning/skips';

type Ended = 'completed' | 'failed' | 'skipped';

function outline(steps: [id: string, needs: string[], join?: 'any'][]): Outline {
  return {
    plan_version: 1,
    steps: steps.map(([id, needs, join]): OutlineStep => {
      return { id, needs, join: join ?? 'all', on_failure: 'continue', lane: 'instant', timeout_s: 1 };
    }),
  };
}

function skipped(steps: Parameters<typeof outline>[0], ended: Record<string, Ended>): string[] {
  return skippedBy(outline(steps), new Map(Object.entries(ended)));
}

describe('skippedBy', () => {
  test('loses nothing while everything completes', () => {
    expect(
      skipped(
        [
          ['a', []],
          ['b', ['a']],
        ],
        { a: 'completed' },
      ),
    ).toEqual([]);
  });

  test('loses what needs a failed or skipped step, and what needs that', () => {
    const steps: Parameters<typeof outline>[0] = [
      ['c', ['b']],
      ['b', ['a']],
      ['a', []],
      ['d', []],
    ];
    expect(skipped(steps, { a: 'failed' })).toEqual(['b', 'c']);
    expect(skipped(steps, { a: 'skipped' })).toEqual(['b', 'c']);
  });

  test('a step that joins any goes on while one need may still complete', () => {
    const steps: Parameters<typeof outline>[0] = [
      ['a', []],
      ['b', []],
      ['c', ['a', 'b'], 'any'],
      ['d', ['c']],
    ];
    expect(skipped(steps, { a: 'failed' })).toEqual([]);
    expect(skipped(steps, { a: 'failed', b: 'completed' })).toEqual([]);
    expect(skipped(steps, { a: 'failed', b: 'skipped' })).toEqual(['c', 'd']);
  });

  test('never loses a step that needs nothing, or has ended', () => {
    expect(
      skipped(
        [
          ['a', [], 'any'],
          ['b', ['c']],
          ['c', []],
        ],
        { c: 'failed', b: 'completed' },
      ),
    ).toEqual([]);
  });

  const plans = fc
    .array(
      fc.record({
        needs: fc.array(fc.nat(20)),
        any: fc.boolean(),
        ended: fc.option(fc.constantFrom<Ended>('completed', 'failed', 'skipped')),
      }),
      { maxLength: 12 },
    )
    .map((rows) => {
      const steps = rows.map(({ needs, any }, index): OutlineStep => {
        const ids = index === 0 ? [] : [...new Set(needs.map((need) => `s${need % index}`))];
        return {
          id: `s${index}`,
          needs: ids,
          join: any ? 'any' : 'all',
          on_failure: 'stop',
          lane: 'tools',
          timeout_s: 1,
        };
      });
      const ended = new Map<string, Ended>(
        rows.flatMap(({ ended: how }, index) => (how ? [[`s${index}`, how] as const] : [])),
      );
      // Turned round, so that the order of the outline is no help.
      return { outline: { plan_version: 1, steps: [...steps].reverse() }, ended };
    });

  test('loses exactly the steps that the rule names, each after its needs', () => {
    fc.assert(
      fc.property(plans, ({ outline: plan, ended }) => {
        const lost = skippedBy(plan, ended);
        const all = new Map<string, Ended>(ended);
        for (const id of lost) all.set(id, 'skipped');
        expect(new Set(lost).size).toBe(lost.length);
        for (const { id, needs, join } of plan.steps) {
          if (ended.has(id)) expect(lost).not.toContain(id);
          else {
            const gone = needs.filter((need) => ['failed', 'skipped'].includes(all.get(need) ?? ''));
            const isLost =
              join === 'all' ? gone.length > 0 : needs.length > 0 && gone.length === needs.length;
            expect(lost.includes(id)).toBe(isLost);
          }
          for (const need of needs) {
            if (lost.includes(need) && lost.includes(id))
              expect(lost.indexOf(need)).toBeLessThan(lost.indexOf(id));
          }
        }
      }),
    );
  });
});
