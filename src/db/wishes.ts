import type { StepRef } from './steps';
import type { Tx } from './tx';

/** What a wish that answers a question is about: the start of a step that asked it. */
export function subjectOf(step_id: string, fence: number): string {
  return `${step_id}:${fence}`;
}

/** Closes the answers to what a step asked: it goes on with them, so nobody has to be woken for them any more. */
export async function closeAnswers(db: Tx, { run_id, step_id }: StepRef): Promise<void> {
  await db.query(
    `update wishes set closed_at = now()
     where run_id = $1 and kind = 'resolve' and closed_at is null and split_part(subject, ':', 1) = $2`,
    [run_id, step_id],
  );
}
