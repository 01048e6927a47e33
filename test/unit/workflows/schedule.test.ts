import fc from 'fast-check';
import type { Outline, OutlineStep } from '../../../src/contracts/outline';
import type { StepResult } from '../../../src/contracts/step-result';
import { skippedBy } from '../../../src/planning/skips';
import { isDone, isStuck, startable as startableSteps, type Progress } from '../../../src/workflows/schedule';

type Status = StepResult['status'];

function step(id: string, needs: string[] = [], join: 'all' | 'any' = 'all'): OutlineStep {
  return { id, needs, join, on_failure: 'continue', lane: 'tools', timeout_s: 1 };
}

function outlineOf(...steps: OutlineStep[]): Outline {
  return { plan_version: 1, steps };
}

function startable(...asked: Parameters<typeof startableSteps>): string[] {
  return startableSteps(...asked).map(({ id }) => id);
}

function progress(ended: Record<string, Status>, running: string[] = []): Progress {
  return { ended: new Map(Object.entries(ended)), running: new Set(running) };
}

describe('the scheduler', () => {
  const diamond = outlineOf(step('a'), step('b', ['a']), step('c', ['a']), step('d', ['b', 'c']), step('e'));

  test('starts what needs nothing, in the order of the plan', () => {
    expect(startable(diamond, progress({}), 10)).toEqual(['a', 'e']);
  });

  test('starts a step as soon as its own inputs are there, while others still run', () => {
    expect(startable(diamond, progress({ a: 'completed' }, ['e']), 10)).toEqual(['b', 'c']);
    expect(startable(diamond, progress({ a: 'completed', b: 'completed' }, ['c', 'e']), 10)).toEqual([]);
  });

  test('leaves no more steps running than it may', () => {
    expect(startable(diamond, progress({ a: 'completed' }, ['e']), 2)).toEqual(['b']);
    expect(startable(diamond, progress({ a: 'completed' }, ['e', 'b']), 2)).toEqual([]);
    // The limit may shrink below what runs, when a run is continued with other rules.
    expect(startable(diamond, progress({ a: 'completed' }, ['e', 'b']), 1)).toEqual([]);
  });

  test.each<[join: 'all' | 'any', left: Status | null, right: Status | null, starts: boolean]>([
    ['all', 'completed', 'completed', true],
    ['all', 'completed', 'failed', false],
    ['all', 'completed', 'skipped', false],
    ['all', 'completed', null, false],
    ['all', 'failed', 'skipped', false],
    ['any', 'completed', 'completed', true],
    ['any', 'completed', 'failed', true],
    ['any', 'skipped', 'completed', true],
    ['any', 'completed', null, false],
    ['any', 'failed', 'skipped', false],
  ])('with join %s and inputs %s and %s: %s', (join, left, right, starts) => {
    const outline = outlineOf(step('l'), step('r'), step('s', ['l', 'r'], join));
    const ended = { ...(left && { l: left }), ...(right && { r: right }) };
    const running = [...(left ? [] : ['l']), ...(right ? [] : ['r'])];
    expect(startable(outline, progress(ended, running), 10)).toEqual(starts ? ['s'] : []);
  });

  test('is done when every step has ended, however', () => {
    expect(isDone(outlineOf(), progress({}))).toBe(true);
    expect(isDone(outlineOf(step('a'), step('b')), progress({ a: 'failed' }))).toBe(false);
    expect(isDone(outlineOf(step('a'), step('b')), progress({ a: 'failed', b: 'skipped' }))).toBe(true);
  });

  test('is stuck when a skip was not reported, and only then', () => {
    const chain = outlineOf(step('a'), step('b', ['a']));
    expect(isStuck(chain, progress({ a: 'failed' }))).toBe(true);
    expect(isStuck(chain, progress({ a: 'failed', b: 'skipped' }))).toBe(false);
    expect(isStuck(chain, progress({ a: 'completed' }))).toBe(false);
    expect(isStuck(chain, progress({}, ['a']))).toBe(false);
  });
});

/** A step of a simulated plan: how it ends, after how long. */
interface Planned {
  step: OutlineStep;
  outcome: Status;
  /** Units of the simulated clock. */
  duration: number;
}

interface Journal {
  started: Map<string, { at: number; ended: Map<string, Status> }>;
  finished: Map<string, number>;
  ended: ReadonlyMap<string, Status>;
  most_running: number;
  makespan: number;
  stopped: boolean;
}

/** Carries a plan out on a simulated clock, as the workflow does: start all that may, wait for the next ending, again. */
function carryOut(plan: Planned[], max_parallel: number): Journal {
  const outline = outlineOf(...plan.map(({ step }) => step));
  const planned = new Map(plan.map((one) => [one.step.id, one]));
  const ended = new Map<string, Status>();
  const running = new Map<string, number>();
  const journal: Journal = {
    started: new Map(),
    finished: new Map(),
    ended,
    most_running: 0,
    makespan: 0,
    stopped: false,
  };
  let clock = 0;
  while (!isDone(outline, { ended, running: new Set(running.keys()) })) {
    const now = { ended, running: new Set(running.keys()) };
    expect(isStuck(outline, now)).toBe(false);
    for (const id of startable(outline, now, max_parallel)) {
      expect(journal.started.has(id)).toBe(false);
      journal.started.set(id, { at: clock, ended: new Map(ended) });
      running.set(id, clock + planned.get(id)!.duration);
    }
    journal.most_running = Math.max(journal.most_running, running.size);
    expect(startsAllItCan(plan, ended, running, max_parallel)).toBe(true);
    const [id, at] = [...running].reduce((first, next) => (next[1] < first[1] ? next : first));
    clock = at;
    running.delete(id);
    const { outcome, step } = planned.get(id)!;
    ended.set(id, outcome);
    journal.finished.set(id, clock);
    if (outcome === 'failed' && step.on_failure === 'stop')
      return { ...journal, makespan: clock, stopped: true };
    for (const skipped of skippedBy(outline, ended)) ended.set(skipped, 'skipped');
  }
  return { ...journal, makespan: clock };
}

/** Whether the limit is reached or no step waits whose inputs are there; said in the words of the plan, not of the scheduler. */
function startsAllItCan(
  plan: Planned[],
  ended: Map<string, Status>,
  running: Map<string, number>,
  limit: number,
): boolean {
  if (running.size >= limit) return running.size === limit;
  return !plan.some(({ step: { id, needs, join } }) => {
    if (ended.has(id) || running.has(id) || !needs.every((need) => ended.has(need))) return false;
    const isGood = (need: string) => ended.get(need) === 'completed';
    return needs.length === 0 || (join === 'all' ? needs.every(isGood) : needs.some(isGood));
  });
}

/** Time that the longest chain of steps takes. */
function criticalPath(plan: Planned[]): number {
  const end = new Map<string, number>();
  const endOf = (id: string): number => {
    const known = end.get(id);
    if (known !== undefined) return known;
    const { step, duration } = plan.find((one) => one.step.id === id)!;
    const at = duration + Math.max(0, ...step.needs.map(endOf));
    end.set(id, at);
    return at;
  };
  return Math.max(0, ...plan.map(({ step }) => endOf(step.id)));
}

/** Plans without cycles, of any shape: each step may need any before it; then shuffled, as no plan promises an order. */
function plans(outcomes: Status[], failing: ('stop' | 'continue')[]): fc.Arbitrary<Planned[]> {
  const one = fc.record({
    needs: fc.array(fc.nat(), { maxLength: 5 }),
    join: fc.constantFrom<'all' | 'any'>('all', 'any'),
    on_failure: fc.constantFrom(...failing),
    outcome: fc.constantFrom(...outcomes),
    duration: fc.integer({ min: 1, max: 100 }),
  });
  return fc
    .array(one, { maxLength: 50 })
    .map((drawn) =>
      drawn.map(({ needs, join, on_failure, outcome, duration }, index): Planned => {
        const ids = index === 0 ? [] : [...new Set(needs.map((need) => `s${need % index}`))];
        return { step: { ...step(`s${index}`, ids, join), on_failure }, outcome, duration };
      }),
    )
    .chain((plan) => fc.shuffledSubarray(plan, { minLength: plan.length }));
}

const limits = fc.integer({ min: 1, max: 12 });
const anyOutcome: Status[] = ['completed', 'completed', 'completed', 'failed', 'skipped'];

describe('any plan', () => {
  test('ends, each step once, and each that started had its inputs', () => {
    fc.assert(
      fc.property(plans(anyOutcome, ['continue']), limits, (plan, limit) => {
        const { started, ended } = carryOut(plan, limit);
        for (const { step, outcome } of plan) {
          const start = started.get(step.id);
          if (start === undefined) {
            expect(ended.get(step.id)).toBe('skipped');
            continue;
          }
          expect(ended.get(step.id)).toBe(outcome);
          const inputs = step.needs.map((need) => start.ended.get(need));
          expect(inputs).not.toContain(undefined);
          if (step.join === 'all') expect(inputs.every((input) => input === 'completed')).toBe(true);
          else if (inputs.length > 0) expect(inputs).toContain('completed');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('stops at a failure that stops it, else comes to its end', () => {
    fc.assert(
      fc.property(plans(anyOutcome, ['stop', 'continue']), limits, (plan, limit) => {
        const { stopped, ended } = carryOut(plan, limit);
        const failed = plan.filter(({ step }) => ended.get(step.id) === 'failed');
        expect(stopped).toBe(failed.some(({ step }) => step.on_failure === 'stop'));
        if (!stopped) expect(ended.size).toBe(plan.length);
      }),
      { numRuns: 500 },
    );
  });

  test('never has more steps running than it may', () => {
    fc.assert(
      fc.property(plans(anyOutcome, ['continue']), limits, (plan, limit) => {
        expect(carryOut(plan, limit).most_running).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 500 },
    );
  });

  test('without a limit takes as long as its longest chain, and never longer when steps fail', () => {
    fc.assert(
      fc.property(plans(['completed'], ['continue']), (plan) => {
        expect(carryOut(plan, Infinity).makespan).toBe(criticalPath(plan));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(plans(anyOutcome, ['continue']), (plan) => {
        expect(carryOut(plan, Infinity).makespan).toBeLessThanOrEqual(criticalPath(plan));
      }),
      { numRuns: 500 },
    );
  });
});
