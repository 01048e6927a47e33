import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTemporal } from '../../src/dev/temporal-cli';
import { servers } from './database';

/** Runs Temporal's own command line program against the server of the tests, as an operator does. @throws when it says no */
export async function temporal(...words: string[]): Promise<void> {
  const program = await findTemporal({ log: () => undefined, env: process.env });
  await promisify(execFile)(program, [...words, '--address', servers().temporal_address]);
}

/** What `temporal workflow reset --type` takes. */
export type ResetPoint = 'FirstWorkflowTask' | 'LastWorkflowTask';

export function resetWorkflow(run_id: string, point: ResetPoint): Promise<void> {
  const reason = 'The tool is mended.';
  return temporal('workflow', 'reset', '--workflow-id', run_id, '--type', point, '--reason', reason);
}

export function terminateWorkflow(run_id: string, reason: string): Promise<void> {
  return temporal('workflow', 'terminate', '--workflow-id', run_id, '--reason', reason);
}

export function cancelWorkflow(run_id: string): Promise<void> {
  return temporal('workflow', 'cancel', '--workflow-id', run_id);
}
