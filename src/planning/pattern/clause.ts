import type { Expression } from './expression';
import type { ManyResults, OneResult } from './results';

/** What a todo is made of: text of the goal, results that are there, or a calculation still to be made. */
export type TodoItem =
  | { kind: 'text'; text: string }
  | { kind: 'one'; of: OneResult }
  | { kind: 'many'; of: ManyResults }
  | { kind: 'calculation'; of: Expression };

export type TodoStatus = 'open' | 'done' | 'all';

/** One thing the goal asks for. */
export type Action =
  | { kind: 'calculate'; expressions: Expression[] }
  | { kind: 'add'; items: TodoItem[] }
  | { kind: 'complete' | 'remove'; texts: string[] }
  | { kind: 'list'; status: TodoStatus };

export type ComparisonOp = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte';

/** "if 6 * 7 is greater than 40". `negated` for "unless". */
export interface GoalCondition {
  left: Expression;
  op: ComparisonOp;
  right: string;
  negated: boolean;
}

/** An action and how it hangs together with what stands before it. */
export interface Clause {
  action: Action;
  /** Everything before it has to end first. */
  isAfter: boolean;
  /** It goes on with the sentence before it, and not by "then". */
  isJoined: boolean;
  condition: GoalCondition | null;
  /** What is done when the condition does not hold. */
  otherwise: Action | null;
  at: number;
}
