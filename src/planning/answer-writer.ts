import type { EndedStep } from '../contracts/ended-step';
import type { Tier } from '../contracts/model';
import type { Ask } from '../llm/ask';

/** What an answer is written from. */
export interface AnswerRequest {
  goal: string;
  steps: EndedStep[];
  /** Of the model that is to write, where the run says so. */
  tier?: Tier;
}

/** The port of what writes the answer of a run from its goal and what its steps gave. One that asks no model leaves the rest alone. */
export interface AnswerWriter {
  /** Model name, or what stands for one; shown in events. */
  readonly model: string;
  /** Whether it answers at once and costs nothing: then the answer follows the last step without a detour. */
  readonly instant: boolean;
  /** `onText` gets the pieces of the answer as they come. @throws what `ask` throws. */
  write(request: AnswerRequest, ask: Ask, onText: (piece: string) => void): Promise<string>;
}
