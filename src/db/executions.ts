import { Refusal } from '../contracts/refusal';

/** Temporal's run ids of a run: of the execution whose activities count, and of those before it. */
export interface Executions {
  /** Null until the first activity has written. */
  execution: string | null;
  past_executions: string[];
}

/** Thrown by work of an execution that the run has not heard of: an operator has reset it, and this is its first activity. */
export class NewExecution extends Error {}

/**
 * How an execution stands to a run. Pure.
 *
 *     past      an operator has reset the run since, or it was lost by Temporal and started again: what it writes is refused
 *     new       it came by a Reset of which the run has not heard yet
 *     current   any other; also the first one, of which a run that nobody has written to does not know
 */
export function standingOf(
  { execution: current, past_executions }: Executions,
  execution: string,
): 'current' | 'past' | 'new' {
  if (past_executions.includes(execution)) return 'past';
  return current === null || current === execution ? 'current' : 'new';
}

/** Lets an execution work on a run, as it was read. @throws Refusal `superseded`; NewExecution */
export function admit(run: Executions, execution: string): void {
  const standing = standingOf(run, execution);
  if (standing === 'past') throw new Refusal('superseded', 'The run was reset: a newer execution does this.');
  if (standing === 'new') throw new NewExecution(`The run has not heard of execution ${execution}.`);
}
