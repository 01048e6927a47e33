import { EFFECT_CLASSES, type EffectClass } from './effect-classes';
import type { Outcomes } from './faults';
import type { Outcome } from './stage';

/** What happens to a step, and what of it can be known afterwards. */
export interface Fault {
  name: string;
  /** Whether another try calls the tool again, where its class allows that. */
  repeats: boolean;
  /** Whether it is open, for all that is stored, if the first call took effect. */
  unknown: boolean;
  /** Whether the calls that fail have no effect; false when absent. */
  refused?: boolean;
}

export const FAULTS = {
  before_tool: { name: 'a worker killed before the call', repeats: false, unknown: true },
  after_tool: { name: 'a worker killed after the call and before its row', repeats: true, unknown: true },
  after_checkpoint: { name: 'a worker killed after the row', repeats: false, unknown: false },
  zombie: { name: 'a worker that stood still, was replaced and goes on', repeats: true, unknown: true },
  ack_lost: { name: 'an acknowledgement that is lost', repeats: true, unknown: true },
  slow_ack: { name: 'an acknowledgement that never comes', repeats: true, unknown: true },
  flaky: { name: 'two refusals, nothing done', repeats: true, unknown: false, refused: true },
  postgres: { name: 'a restart of Postgres between the call and its row', repeats: true, unknown: true },
} as const satisfies Record<string, Fault>;

/** What holds for a class whatever happens. */
export const PROMISES: Record<EffectClass, string> = {
  pure: 'a pure step is completed',
  transactional: 'a transactional step has taken effect once',
  idempotent: 'an idempotent step has taken effect once',
  naive: 'a step that is only said to be idempotent takes effect as often as its server is called',
  unsafe: 'an unsafe step has taken effect once, and a person was asked where nobody else could know',
};

/** What must come of a run. Bounds where a busy machine may cause one more try than the fault does. */
export interface Expected {
  status: 'completed';
  effects: { least: number; most: number };
  hits: { least: number; most: number };
  resolved: Outcome['resolved'];
}

const once = { least: 1, most: 1 };
const anyNumber = (least: number) => ({ least, most: Infinity });

/** The promise, by class and fault. */
export function expectedOf(effect: EffectClass, fault: Fault): Expected {
  const calls = fault.repeats ? 2 : 1;
  const of = (effects: Expected['effects'], hits: Expected['hits'], resolved: Outcome['resolved'] = null) =>
    ({ status: 'completed', effects, hits, resolved }) as const;
  switch (effect) {
    case 'pure':
      return of(anyNumber(0), anyNumber(calls));
    case 'transactional':
      return of(once, anyNumber(0));
    case 'idempotent':
      return of(once, anyNumber(calls));
    case 'naive': // the proof that the others would show a second effect
      return of(anyNumber(fault.refused === true ? 1 : calls), anyNumber(calls));
    case 'unsafe': {
      const answer = fault.repeats ? 'done' : 'not_done';
      return of(once, fault.refused === true ? anyNumber(calls) : once, fault.unknown ? answer : null);
    }
  }
}

/** Markdown: class × fault → requests that came in, effects, and how the run ended. */
export function tableOf(played: ReadonlyMap<Fault, Outcomes>): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const names = [...EFFECT_CLASSES];
  return [
    row(['fault', ...names]),
    row(['---', ...names.map(() => '---')]),
    ...[...played].map(([{ name }, outcomes]) =>
      row([name, ...names.map((effect) => cell(outcomes[effect]))]),
    ),
  ].join('\n');
}

function cell(outcome: Outcome | undefined): string {
  if (outcome === undefined) return '–';
  const { hits, effects, resolved, status } = outcome;
  const made = `${effects} ${effects === 1 ? 'effect' : 'effects'}`;
  return [
    hits === null ? made : `${hits} ${hits === 1 ? 'hit' : 'hits'}, ${made}`,
    resolved === null ? status : `waiting, answered ${resolved}, ${status}`,
  ].join(': ');
}
