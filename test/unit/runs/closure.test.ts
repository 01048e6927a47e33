import fc from 'fast-check';
import type { Outline, OutlineStep } from '../../../src/contracts/outline';
import type { StepStatus } from '../../../src/contracts/run-status';
import type { StepResult } from '../../../src/contracts/step-result';
import type { Edge } from '../../../src/planning/plan-graph';
import { skippedBy } from '../../../src/planning/skips';
import { closureOf, lostBy, type Repetition } from '../../../src/runs/closure';
import { isDone, isStuck, startable, stopsRun } from '../../../src/workflows/schedule';

/** What is run again, in the order of the plan. */
function run(repetition: Partial<Repetition> & Pick<Repetition, 'ids'>): string[] {
  const { ids } = repetition;
  const all = {
    edges: [],
    was: new Map(ids.map((id): [string, StepStatus] => [id, 'completed'])),
    chosen: new Set<string>(),
    changed: new Set<string>(),
    ...repetition,
  };
  return [...closureOf(all)].flatMap(([id, { action }]) => (action === 'run' ? [id] : []));
}

describe('what is run again', () => {
  const ids = ['a', 'b', 'c', 'd', 'e'];
  const diamond: Edge[] = [
    ['a', 'b'],
    ['a', 'c'],
    ['b', 'd'],
    ['c', 'd'],
  ];

  test('is nothing where everything is as it was', () => {
    expect(run({ ids, edges: diamond })).toEqual([]);
  });

  test.each([
    ['a', ['a', 'b', 'c', 'd']],
    ['b', ['b', 'd']],
    ['d', ['d']],
    ['e', ['e']],
  ])('is %s, where it is chosen, with all that depends on it', (chosen, expected) => {
    expect(run({ ids, edges: diamond, chosen: new Set([chosen]) })).toEqual(expected);
    expect(run({ ids, edges: diamond, changed: new Set([chosen]) })).toEqual(expected);
  });

  test.each<[StepStatus, boolean]>([
    ['completed', false],
    ['skipped', false],
    ['pending', true],
    ['running', true],
    ['retrying', true],
    ['waiting', true],
    ['failed', true],
    ['cancelled', true],
  ])('of a step that was %s: %s', (status, isRun) => {
    expect(run({ ids: ['a'], was: new Map([['a', status]]) })).toEqual(isRun ? ['a'] : []);
  });

  test('is told with the nearest reason', () => {
    const was = new Map<string, StepStatus>([
      ['a', 'failed'],
      ['b', 'skipped'],
      ['c', 'completed'],
      ['d', 'cancelled'],
      ['e', 'skipped'],
    ]);
    const fates = closureOf({
      ids,
      edges: diamond,
      was,
      chosen: new Set(['d']),
      changed: new Set(['c', 'd']),
    });
    expect(Object.fromEntries([...fates].map(([id, { because }]) => [id, because]))).toEqual({
      a: 'not_completed',
      b: 'depends',
      c: 'changed',
      d: 'chosen',
      e: 'skipped',
    });
  });

  test('is said also of edges that make a cycle, or lead nowhere', () => {
    const edges: Edge[] = [
      ['a', 'b'],
      ['b', 'a'],
      ['gone', 'c'],
      ['c', 'gone'],
    ];
    expect(run({ ids: ['a', 'b', 'c'], edges, chosen: new Set(['b']) })).toEqual(['a', 'b']);
  });
});

const STATUSES: StepStatus[] = ['completed', 'completed', 'completed', 'skipped', 'failed', 'cancelled'];

/** Plans without cycles, of any shape: each step may need any before it. */
const repetitions: fc.Arbitrary<Repetition> = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(), { maxLength: 4 }),
      status: fc.constantFrom(...STATUSES),
      chosen: fc.boolean(),
      changed: fc.integer({ max: 9, min: 0 }),
    }),
    { maxLength: 30 },
  )
  .map((drawn) => {
    const ids = drawn.map((_, at) => `s${at}`);
    return {
      ids,
      edges: drawn.flatMap(({ needs }, at) =>
        at === 0 ? [] : needs.map((need): Edge => [`s${need % at}`, `s${at}`]),
      ),
      was: new Map(drawn.map(({ status }, at) => [ids[at]!, status])),
      chosen: new Set(ids.filter((_, at) => drawn[at]!.chosen && at % 5 === 0)),
      changed: new Set(ids.filter((_, at) => drawn[at]!.changed === 0)),
    };
  });

/** The definition, by paths: Warshall's closure over a matrix, then every step that a seed leads to. */
function byPaths({ ids, edges, was, chosen, changed }: Repetition): string[] {
  const leads = ids.map((from) =>
    ids.map((to) => from === to || edges.some(([f, t]) => f === from && t === to)),
  );
  for (const k of ids.keys())
    for (const i of ids.keys()) for (const j of ids.keys()) leads[i]![j] ||= leads[i]![k]! && leads[k]![j]!;
  const isSeed = (id: string) =>
    chosen.has(id) || changed.has(id) || !['completed', 'skipped'].includes(was.get(id)!);
  return ids.filter((_, to) => ids.some((from, at) => isSeed(from) && leads[at]![to]));
}

describe('any repetition', () => {
  test('runs a step again if and only if a path of edges leads to it from one that has to be', () => {
    fc.assert(
      fc.property(repetitions, (repetition) => {
        expect(run(repetition)).toEqual(byPaths(repetition));
      }),
      { numRuns: 1_000 },
    );
  });

  test('takes over only what has ended well, with everything it needs', () => {
    fc.assert(
      fc.property(repetitions, (repetition) => {
        const again = new Set(run(repetition));
        for (const [from, to] of repetition.edges) if (!again.has(to)) expect(again.has(from)).toBe(false);
        for (const id of repetition.ids)
          if (!again.has(id)) expect(['completed', 'skipped']).toContain(repetition.was.get(id));
      }),
      { numRuns: 500 },
    );
  });
});

type Status = StepResult['status'];

/** A plan whose steps come to the same whenever they are run, but for those that fail until they are mended. */
interface World {
  outline: Outline;
  comesTo: ReadonlyMap<string, Status>;
  mended: ReadonlySet<string>;
}

const worlds: fc.Arbitrary<World> = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(), { maxLength: 4 }),
      join: fc.constantFrom<'all' | 'any'>('all', 'any'),
      on_failure: fc.constantFrom<'stop' | 'continue'>('stop', 'continue'),
      comesTo: fc.constantFrom<Status>('completed', 'completed', 'completed', 'skipped', 'failed'),
      mended: fc.boolean(),
    }),
    { maxLength: 25 },
  )
  .map((drawn) => ({
    outline: {
      plan_version: 1,
      steps: drawn.map(({ needs, join, on_failure }, at): OutlineStep => {
        const ids = at === 0 ? [] : [...new Set(needs.map((need) => `s${need % at}`))];
        return { id: `s${at}`, needs: ids, join, on_failure, lane: 'tools', timeout_s: 1 };
      }),
    },
    comesTo: new Map(drawn.map(({ comesTo }, at) => [`s${at}`, comesTo])),
    mended: new Set(drawn.flatMap(({ mended }, at) => (mended ? [`s${at}`] : []))),
  }));

/** Carries an outline out one step after another, as workflow and activities do together. @returns how all of it ended */
function carryOut(
  { outline, comesTo, mended }: World,
  before: ReadonlyMap<string, Status>,
  isMended: boolean,
): Map<string, StepStatus> {
  const ended = new Map(before);
  const now = () => ({ ended, running: new Set<string>() });
  while (!isDone(outline, now())) {
    expect(isStuck(outline, now())).toBe(false);
    const { id } = startable(outline, now(), 1)[0]!;
    const status = isMended && mended.has(id) ? 'completed' : comesTo.get(id)!;
    ended.set(id, status);
    if (stopsRun(outline, { step_id: id, status })) break;
    if (status !== 'completed')
      for (const skipped of skippedBy(outline, ended)) ended.set(skipped, 'skipped');
  }
  return new Map(outline.steps.map(({ id }) => [id, ended.get(id) ?? 'cancelled']));
}

test('a restart ends as the run would have ended had it failed nowhere it was mended, and is never stuck', () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const { steps } = world.outline;
      const first = carryOut(world, new Map(), false);
      const fates = closureOf({
        ids: steps.map(({ id }) => id),
        edges: steps.flatMap(({ id, needs }) => needs.map((need): Edge => [need, id])),
        was: first,
        chosen: new Set(),
        changed: new Set(),
      });
      const reused = [
        ...[...fates].flatMap(([id, { action }]) =>
          action === 'reuse' ? [[id, first.get(id) as Status] as const] : [],
        ),
        ...lostBy(fates, world.outline).map((id) => [id, 'skipped'] as const),
      ];
      const second = carryOut(world, new Map(reused), true);
      // Only steps that never completed are mended: one that was skipped by its own condition stays skipped.
      const undisturbed = carryOut(
        { ...world, mended: new Set([...world.mended].filter((id) => !reused.some(([is]) => is === id))) },
        new Map(),
        true,
      );
      // A failure that stops a run stops it before other steps where the restart had them already.
      const both = steps.filter(
        ({ id }) => second.get(id) !== 'cancelled' && undisturbed.get(id) !== 'cancelled',
      );
      for (const { id } of both) expect([id, second.get(id)]).toEqual([id, undisturbed.get(id)]);
    }),
    { numRuns: 1_000 },
  );
});
