import type { Outline } from '../contracts/outline';
import type { Interruptions } from './interruptions';
import { writeAnswer, writeAnswerWithModel } from './proxies';

/** Has the answer written by whom the plan says: at once from a template, or by a model. */
export function answer(
  outline: Outline,
  agreed: { run_id: string; plan_version: number },
  { stoppable }: Interruptions,
): ReturnType<typeof writeAnswer> {
  if (outline.answer !== 'llm') return writeAnswer(agreed);
  return stoppable.run(() => writeAnswerWithModel(agreed));
}
