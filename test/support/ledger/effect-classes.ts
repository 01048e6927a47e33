import type { Step } from '../../../src/contracts/plan';
import type { LedgerInput } from '../ledger-pack';
import type { Acknowledgement } from './hit';

/** Classes of effects as the matrix tries them. `naive` is declared idempotent, and its server makes an effect of every hit. */
export const EFFECT_CLASSES = ['pure', 'transactional', 'idempotent', 'naive', 'unsafe'] as const;
export type EffectClass = (typeof EFFECT_CLASSES)[number];

/** Those whose effects are made in the ledger; transactional ones are rows of our own. */
export const LEDGER_CLASSES = ['pure', 'idempotent', 'naive', 'unsafe'] as const;
export type LedgerClass = (typeof LEDGER_CLASSES)[number];

/** The step that a run of the matrix is made of. */
export const STEP = 'effect';

const TOOLS: Record<LedgerClass, string> = {
  pure: 'ledger.pure',
  idempotent: 'ledger.keyed',
  naive: 'ledger.naive',
  unsafe: 'ledger.unsafe',
};

/** What a step of a class is to meet. */
export interface Meets {
  ledger: string;
  acknowledgement?: Acknowledgement;
  /** How many hits get no plain answer. */
  times?: number;
}

/** A plan of one step that makes one effect. */
export function planOf(effect: EffectClass, { ledger, acknowledgement, times }: Meets): { steps: Step[] } {
  if (effect === 'transactional')
    return { steps: [{ id: STEP, tool: 'todo.add', input: { text: 'an effect' } }] };
  // An answer that never comes is waited for until the limit of the tool.
  const tool = acknowledgement === 'slow_ack' ? `${TOOLS[effect]}_hasty` : TOOLS[effect];
  const input: LedgerInput = {
    ledger,
    ...(acknowledgement && { acknowledgement }),
    ...(times !== undefined && { times }),
  };
  return { steps: [{ id: STEP, tool, input: { ...input } }] };
}
