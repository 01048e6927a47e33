import type { EndedStep } from '../contracts/ended-step';

/** The port of what writes the answer of a run from its goal and what its steps gave. */
export interface AnswerWriter {
  /** Model name, or what stands for one; shown in events. */
  readonly model: string;
  /** Whether it answers at once and costs nothing: then the answer follows the last step without a detour. */
  readonly instant: boolean;
  write(request: { goal: string; steps: EndedStep[] }): Promise<string>;
}
