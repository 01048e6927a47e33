import type { Condition } from '../../../src/contracts/condition';
import { holds, referencesOfCondition } from '../../../src/planning/conditions';

const outputs = new Map<string, unknown>([
  [
    's',
    {
      n: 84,
      tenth: 0.3,
      text: 'buy milk',
      decimal: '0.30',
      big: '100000000000000000000000000000000001',
      tiny: '0.1000000000000000000000000000001',
      tiny_number: 1e-7,
      list: ['a', 2],
      none: null,
      yes: true,
      time: '2026-05-01T00:00:00Z',
    },
  ],
]);

function compare(ref: string, op: string, value?: unknown): Condition {
  return { ref: `s.${ref}`, op, ...(value === undefined ? {} : { value }) } as Condition;
}

describe('conditions', () => {
  test.each<[string, string, unknown, boolean]>([
    ['n', 'eq', 84, true],
    ['n', 'eq', '84.0', true],
    ['n', 'ne', '84', false],
    ['n', 'gt', 80, true],
    ['n', 'gt', 84, false],
    ['n', 'gte', 84, true],
    ['n', 'lt', '84.0000000000000000000001', true],
    ['n', 'lte', 83.9, false],
    ['decimal', 'eq', 0.3, true],
    ['tenth', 'eq', '0.30', true],
    ['big', 'gt', '100000000000000000000000000000000000', true],
    ['big', 'eq', '100000000000000000000000000000000000', false],
    ['tiny', 'gt', 0.1, true],
    ['tiny_number', 'eq', '0.0000001', true],
    ['n', 'gt', -1, true],
    ['text', 'eq', 'buy milk', true],
    ['text', 'gt', 5, false],
    ['text', 'lt', 5, false],
    ['time', 'lt', '2026-05-02T00:00:00Z', true],
    ['none', 'eq', null, true],
    ['none', 'eq', 0, false],
    ['none', 'lt', 5, false],
    ['yes', 'eq', true, true],
    ['yes', 'eq', 1, false],
    ['n', 'in', [1, '84'], true],
    ['n', 'in', [1, 2], false],
    ['text', 'contains', 'milk', true],
    ['text', 'contains', 'Milk', false],
    ['list', 'contains', 'a', true],
    ['list', 'contains', '2.0', true],
    ['list', 'contains', 'b', false],
    ['list', 'eq', ['a', 2], true],
    ['list', 'eq', ['a'], false],
    ['n', 'contains', '8', false],
  ])('%s %s %j is %s', (ref, op, value, expected) => {
    expect(holds(compare(ref, op, value), outputs)).toEqual({ ok: true, value: expected });
  });

  test('exists tells a missing part from null', () => {
    expect(holds(compare('none', 'exists'), outputs)).toEqual({ ok: true, value: true });
    expect(holds(compare('gone', 'exists'), outputs)).toEqual({ ok: true, value: false });
    expect(holds({ ref: 'gone', op: 'exists' }, outputs)).toEqual({ ok: true, value: false });
  });

  test('any other question about a missing part is not answered', () => {
    expect(holds(compare('gone', 'eq', 1), outputs)).toEqual({ ok: false, reference: 's.gone' });
    expect(holds(compare('constructor', 'ne', 1), outputs)).toEqual({
      ok: false,
      reference: 's.constructor',
    });
    expect(holds({ not: compare('gone', 'eq', 1) }, outputs)).toEqual({ ok: false, reference: 's.gone' });
  });

  const [yes, no, gone] = [compare('n', 'eq', 84), compare('n', 'eq', 1), compare('gone', 'eq', 1)];

  test.each<[Condition, boolean]>([
    [{ all: [yes, yes] }, true],
    [{ all: [yes, no, gone] }, false],
    [{ any: [no, yes, gone] }, true],
    [{ any: [no, no] }, false],
    [{ not: no }, true],
    [{ all: [{ any: [no, yes] }, { not: { all: [yes, no] } }] }, true],
  ])('%j is %s and stops at the part that decides', (condition, expected) => {
    expect(holds(condition, outputs)).toEqual({ ok: true, value: expected });
  });

  test('a missing part before the deciding one is reported', () => {
    expect(holds({ any: [gone, yes] }, outputs)).toEqual({ ok: false, reference: 's.gone' });
  });

  test('lists references with their pointers and passes over what is malformed', () => {
    const condition = {
      all: [{ ref: 'a.b', op: 'eq' }, { not: { ref: 'c', op: 'exists' } }, 5, { ref: '{x}' }],
    };
    expect(referencesOfCondition(condition)).toEqual([
      { pointer: '/all/0/ref', step_id: 'a', path: ['b'] },
      { pointer: '/all/1/not/ref', step_id: 'c', path: [] },
    ]);
    expect(referencesOfCondition(undefined)).toEqual([]);
  });
});
