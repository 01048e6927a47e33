import { hostileParts, parse } from '../../src/api/body';
import { MAX_CONDITION_PARTS } from '../../src/contracts/condition';
import type { Refusal } from '../../src/contracts/refusal';
import { SubmitRun } from '../../src/contracts/run';
import { readDraft } from '../../src/planning/reading/read-draft';

/** The most that a body is told, and what a wrong step may add to it. */
const TOLD = 50;
/** One more is looked for, to say whether there are more. */
const ENOUGH = TOLD + 1;
const FAULTS_OF_STEPS = 20 * 110;

const times = <T>(n: number, part: T): T[] => Array<T>(n).fill(part);
/** 8,000 of these. */
const wide = (leaf: object) => ({ all: times(20, { any: times(20, { all: times(20, leaf) }) }) });
const submit = (...steps: object[]) => ({ goal: 'a', plan: { steps } });
const step = (more: object) => ({ id: 'a', tool: 'calculator', input: {}, ...more });

/** Faults that the schema makes of a body, those of forms within forms too. */
const faultsIn = (body: object): number => {
  let faults = 0;
  JSON.stringify(SubmitRun.safeParse(body).error?.issues, (_key, part: unknown) => {
    if (typeof part === 'object' && part !== null && 'code' in part) faults += 1;
    return part;
  });
  return faults;
};

const partsOf = (body: object) => {
  try {
    parse(SubmitRun, body);
  } catch (error) {
    return (error as Refusal).parts.map(({ pointer, detail }) => `${pointer} ${detail}`);
  }
  return [];
};

describe('a body that is wrong in very many ways', () => {
  test('makes few faults of conditions, however many are wrong', () => {
    const looks = { count: 0 };
    const counting = {
      get ref() {
        looks.count += 1;
        return 7;
      },
    };
    const strange = { ref: 'b.x', op: 'exists', x: 1 };
    for (const leaf of [{}, 7, strange, { x: 1 }, { all: 7 }, { value: [[]] }, counting] as object[]) {
      const steps = times(30, step({ when: wide(leaf) }));
      expect(faultsIn(submit(...steps))).toBeLessThan(FAULTS_OF_STEPS);
    }
    expect(looks.count).toBeGreaterThan(0);
    expect(looks.count).toBeLessThan(FAULTS_OF_STEPS);
    expect(partsOf(submit(step({ when: wide({}) })))).toHaveLength(20);
  });

  test('makes few faults of steps, labels and lists', () => {
    const steps = times(1_000, step({ needs: times(100, 7) }));
    expect(faultsIn(submit(...steps))).toBeLessThan(FAULTS_OF_STEPS);
    const metadata = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`k${at}`, at]));
    expect(faultsIn({ goal: 'a', metadata })).toBe(1);
    const strange = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`f${at}`, at]));
    expect(partsOf({ goal: 'a', ...strange })).toHaveLength(TOLD);
  });

  test('is looked through no further than is told', () => {
    let looks = 0;
    const hostile = new Proxy(times(10_000, '\0'), {
      get(list, key) {
        looks += 1;
        return Reflect.get(list, key) as unknown;
      },
    });
    expect(hostileParts({ hostile }, '')).toHaveLength(ENOUGH);
    expect(looks).toBeLessThan(10 * TOLD);
  });

  test('has no pointers made to what is right', () => {
    const made = jest.spyOn(String.prototype, 'replaceAll');
    try {
      expect(hostileParts({ n: times(1_000, 1), o: { text: 'x' } }, '')).toEqual([]);
      expect(made).not.toHaveBeenCalled();
    } finally {
      made.mockRestore();
    }
  });

  test('is read no further as the plan of a model either', () => {
    const draft = readDraft(JSON.stringify({ steps: times(1_000, step({ needs: times(100, 7) })) }));
    expect((draft as { problem: string }).problem.split('\n').length).toBeLessThan(FAULTS_OF_STEPS);
  });
});

describe('a condition', () => {
  test('is refused by name when it has too many parts, and only then', () => {
    const leaf = { ref: 'b.x', op: 'exists' };
    const within = { all: times(19, { any: times(20, leaf) }) };
    expect(partsOf(submit(step({ when: within })))).toEqual([]);
    expect(partsOf(submit(step({ when: wide(leaf) })))).toEqual([
      `/plan/steps/0/when has more than ${MAX_CONDITION_PARTS} parts`,
    ]);
  });

  test.each<[string, unknown, string[]]>([
    ['nothing', {}, ['/ref is missing', '/op Invalid option: expected one of "eq"|']],
    ['a text', 'a.x > 1', [' has none of the forms of a condition']],
    ['an empty list', { all: [] }, ['/all Too small: expected array to have >=1 items']],
    ['no list', { any: {} }, ['/any expected array, received object']],
    [
      'two forms at once',
      { all: [{ ref: 'b.x', op: 'exists' }], any: [], ref: 'b.x' },
      ['/any is not a field of this condition', '/ref is not a field of this condition'],
    ],
    [
      'faults at several depths',
      { not: { any: [{ ref: 'b.x', op: 'like' }, { not: 7 }], or: 1 } },
      [
        '/not/or is not a field of this condition',
        '/not/any/0/op Invalid option: expected one of "eq"|',
        '/not/any/1/not has none of the forms of a condition',
      ],
    ],
  ])('is told what is wrong with it: %s', (_what, when, beginnings) => {
    const parts = partsOf(submit(step({ when })));
    expect(parts.map((part, at) => part.slice(0, `/plan/steps/0/when${beginnings[at]}`.length))).toEqual(
      beginnings.map((one) => `/plan/steps/0/when${one}`),
    );
  });
});
