import type { Database } from '../db/database';
import { admit } from '../db/executions';
import { readSteps, takeUpStep, type StepRef, type StepRow } from '../db/steps';
import type { Surroundings } from './surroundings';

/**
 * A step as it stands for the execution that is to carry it out: after a Reset, what is left over of it from an older attempt of the run
 * is pending again. Costs nothing in a run that nobody has reset.
 * @param row as it was read
 * @throws Refusal `superseded`; NewExecution
 */
export async function takenUp(
  db: Database,
  ref: StepRef,
  row: StepRow,
  { execution, lost = [] }: Surroundings,
): Promise<StepRow> {
  admit(row, execution);
  if (row.step_attempt === row.attempt || row.status === 'completed') return row;
  await db.transaction((tx) => takeUpStep(tx, ref, row.attempt, lost));
  const [step] = await readSteps(db, ref.run_id, ref.plan_version, [ref.step_id]);
  return step;
}
