import type { Step } from '../../../src/contracts/plan';
import { edgesOf, outlineOf } from '../../../src/planning/outline';

const steps: Step[] = [
  { id: 'a', tool: 't', input: {} },
  {
    id: 'b',
    tool: 't',
    input: { x: '{a.value} {a.other}', y: '{gone}' },
    needs: ['a'],
    when: { ref: 'a.value', op: 'gt', value: 1 },
  },
  {
    id: 'c',
    tool: 't',
    input: {},
    needs: ['b'],
    when: { not: { ref: 'a.ok', op: 'exists' } },
    join: 'any',
    on_failure: 'continue',
  },
];

describe('outline', () => {
  test('edges come from input, needs and conditions, without doubles and dangling ones', () => {
    expect(edgesOf(steps)).toEqual([
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'c'],
    ]);
  });

  test('holds what scheduling needs, with the defaults written out', () => {
    const outline = outlineOf(3, steps.slice(0, 1).concat(steps.slice(2)), () => ({
      lane: 'tools',
      timeout_s: 7,
    }));
    expect(outline).toEqual({
      plan_version: 3,
      steps: [
        { id: 'a', needs: [], join: 'all', on_failure: 'stop', lane: 'tools', timeout_s: 7 },
        { id: 'c', needs: ['b', 'a'], join: 'any', on_failure: 'continue', lane: 'tools', timeout_s: 7 },
      ],
    });
  });
});
