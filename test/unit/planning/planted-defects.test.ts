import fc from 'fast-check';
import type { Step } from '../../../src/contracts/plan';
import { createInputCheck } from '../../../src/planning/input-check';
import { checkPlan } from '../../../src/planning/plan-check';
import { catalogue } from './cards';

const checkInput = createInputCheck();
const rules = { max_steps: 20, max_input_bytes: 2_000 };
const PLANS = 1_000;

const found = (steps: readonly Step[]) =>
  checkPlan([...steps], { tools: catalogue(), rules, checkInput }).map(
    ({ code, pointer }) => `${code} ${pointer}`,
  );

const idOf = (index: number) => `step_${index + 1}`;

/** A sound step at that place of a plan: it refers only to steps before it. */
function soundStep(index: number): fc.Arbitrary<Step> {
  const earlier = index === 0 ? fc.constant(undefined) : fc.option(fc.nat(index - 1), { nil: undefined });
  return fc
    .record({ kind: fc.nat(3), ref: earlier, need: earlier, when: earlier, number: fc.nat(99) })
    .map(({ kind, ref, need, when, number }): Step => ({
      id: idOf(index),
      ...bodyOf(kind, number, ref === undefined ? undefined : idOf(ref)),
      ...(need !== undefined && { needs: [idOf(need)] }),
      ...(when !== undefined && { when: { ref: `${idOf(when)}.value`, op: 'gt', value: number } }),
    }));
}

function bodyOf(kind: number, number: number, ref: string | undefined): Pick<Step, 'tool' | 'input'> {
  const value = ref === undefined ? String(number) : `{${ref}.value}`;
  if (kind === 0) return { tool: 'calculator', input: { expression: `${value} + ${number}` } };
  if (kind === 1) return { tool: 'todo.add', input: { text: `buy ${value} apples` } };
  if (kind === 2) return { tool: 'todo.complete', input: { text: value } };
  return { tool: 'todo.list', input: ref === undefined ? { status: 'open' } : {} };
}

const soundPlan: fc.Arbitrary<Step[]> = fc
  .integer({ min: 2, max: 20 })
  .chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => soundStep(index))));

/** How a step of a plan is spoilt, and what is to be found then, `<n>` being its place. */
interface Defect {
  spoil: (step: Step, plan: Step[]) => Step;
  finding: string;
}
const DEFECTS: Record<string, Defect> = {
  'an id that breaks the rule': {
    spoil: (step, plan) => {
      const id = 'Step One';
      // Nobody refers to it, so that nothing else is wrong.
      for (const [index, other] of plan.entries()) plan[index] = without(other, step.id);
      return { ...step, id };
    },
    finding: 'invalid_id /steps/<n>/id',
  },
  'an unknown tool': {
    spoil: (step) => ({ ...step, tool: 'web.search' }),
    finding: 'unknown_tool /steps/<n>/tool',
  },
  'an unknown version': {
    spoil: (step) => ({ ...step, version: '9.9.9' }),
    finding: 'unknown_version /steps/<n>/version',
  },
  'a field the tool does not take': {
    spoil: (step) => ({ ...step, tool: 'todo.list', input: { priority: 'high' } }),
    finding: 'invalid_input /steps/<n>/input/priority',
  },
  'a value of the wrong type': {
    spoil: (step) => ({ ...step, tool: 'todo.add', input: { text: 5 } }),
    finding: 'invalid_input /steps/<n>/input/text',
  },
  'a missing value': {
    spoil: (step) => ({ ...step, tool: 'calculator', input: {} }),
    finding: 'invalid_input /steps/<n>/input/expression',
  },
  'an input that is too large': {
    spoil: (step) => ({ ...step, tool: 'calculator', input: { expression: 'x'.repeat(3_000) } }),
    finding: 'input_too_large /steps/<n>/input',
  },
  'a dangling reference': {
    spoil: (step) => ({ ...step, tool: 'todo.add', input: { text: 'see {nowhere.value}' } }),
    finding: 'unknown_reference /steps/<n>/input/text',
  },
  'a dangling need': {
    spoil: (step) => ({ ...step, needs: ['nowhere'] }),
    finding: 'unknown_reference /steps/<n>/needs/0',
  },
  'a reference to itself': {
    spoil: (step) => ({ ...step, needs: [step.id] }),
    finding: 'cycle /steps/<n>',
  },
  'a condition on nothing': {
    spoil: (step) => ({ ...step, when: { ref: 'nowhere.value', op: 'exists' } }),
    finding: 'unknown_reference /steps/<n>/when/ref',
  },
  'a condition without a value': {
    spoil: (step) => ({ ...step, when: { ref: `${idOf(0)}.x`, op: 'eq' } }),
    finding: 'invalid_condition /steps/<n>/when/value',
  },
};

/** The step without references to that id. */
function without(step: Step, id: string): Step {
  const { needs, when, ...rest } = step;
  const refers = (value: unknown) => JSON.stringify(value ?? null).includes(id);
  return {
    ...(refers(rest.input) ? { ...rest, tool: 'todo.list', input: {} } : rest),
    ...(needs !== undefined && !refers(needs) && { needs }),
    ...(when !== undefined && !refers(when) && { when }),
  };
}

describe('The plan check over many plans', () => {
  test('raises no alarm at a sound one', () => {
    fc.assert(
      fc.property(soundPlan, (plan) => {
        expect(found(plan)).toEqual([]);
      }),
      { numRuns: PLANS },
    );
  });

  test.each(Object.entries(DEFECTS))('finds %s, where it is', (_what, { spoil, finding }) => {
    fc.assert(
      fc.property(soundPlan, fc.nat(), (sound, place) => {
        const plan = [...sound];
        // Not the first one: others are to come before it.
        const index = 1 + (place % (plan.length - 1));
        plan[index] = spoil(plan[index]!, plan);
        expect(found(plan)).toEqual([finding.replace('<n>', String(index))]);
      }),
      { numRuns: Math.ceil(PLANS / Object.keys(DEFECTS).length) },
    );
  });
});
