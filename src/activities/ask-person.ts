import type { Failure } from '../contracts/failure';
import type { WaitingStep } from '../contracts/step-result';
import { lockRun } from '../db/runs';
import { lockStepsOf, writeStep } from '../db/steps';
import { append, type NewEvent, type RunChange } from '../events/append';
import type { ActivityDeps } from './deps';
import { keyOf } from '../events/step-facts';
import type { Start } from './step-outcome';

/**
 * Puts a step, and its run, into `waiting`: only a person can say whether an effect happened that must not be made twice. The answer comes
 * by `resolveStep` (runs/resolve.ts).
 * @param failure why it is not known
 * @returns null when the step has ended or a newer start has taken over
 */
export function askPerson(
  deps: ActivityDeps,
  start: Start & { fence: number },
  failure: Failure,
): Promise<WaitingStep | null> {
  const { ref, step, fence, input, input_hash } = start;
  const question = `Did ${step.tool} take effect? It was called, and nobody here knows how that ended.`;
  return deps.db.transaction(async (tx) => {
    await lockStepsOf(tx, ref.run_id); // with it nobody else asks, or answers, at the same time
    const asked = await writeStep(tx, ref, fence, {
      status: 'waiting',
      status_reason: question,
      failure,
      input,
      ...(input_hash === undefined ? {} : { input_hash }),
    });
    if (!asked) return null;
    const previous = await lockRun(tx, ref.run_id);
    const events: NewEvent[] = [
      {
        key: keyOf(ref, `attention:${fence}`),
        type: 'step.needs_attention',
        step_id: ref.step_id,
        data: { attempt: fence, question, failure },
      },
    ];
    const change: RunChange = {};
    // One that is being cancelled must not be told to be anything else, and one that waits is told so once.
    if (previous === 'running') {
      const waiting = { status: 'waiting', phase: 'attention' } as const;
      events.push({
        key: `waiting:${ref.step_id}:${fence}`,
        type: 'run.status',
        data: { ...waiting, previous },
      });
      Object.assign(change, waiting);
    }
    const { wish } = await append(tx, ref.run_id, { attempt: step.attempt, events, change });
    return { step_id: ref.step_id, status: 'waiting', wish };
  });
}
