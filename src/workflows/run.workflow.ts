import { upsertSearchAttributes } from '@temporalio/workflow';
import { agreeOnPlan } from './agree-on-plan';
import { carryOut } from './carry-out';
import { closingOf, endingOf } from './failures';
import { listen } from './interruptions';
import type { RunInput } from './messages';
import { endRun, handInPlan } from './proxies';
import { answer } from './answer';

/** One run, from its goal to its answer. */
export async function run(input: RunInput): Promise<void> {
  const { run_id } = input;
  const interruptions = listen(input); // before the first await
  try {
    await interruptions.guard(async () => {
      const outline = await agreeOnPlan(input, interruptions);
      const agreed = { run_id, plan_version: outline.plan_version };
      if (input.rules.mode === 'plan_only') return void interruptions.heed(await handInPlan(agreed));
      const { answered } = await carryOut(input, outline, interruptions);
      if (!answered) interruptions.heed(await answer(outline, agreed, interruptions));
    });
    upsertSearchAttributes({ RunStatus: ['completed'] });
  } catch (thrown) {
    const ending = endingOf(thrown); // rethrows bugs
    const { status } = await endRun({ run_id, ending }); // also a cancelled run says how it ended
    // It hears now that the run is over. Temporal refuses the end of a workflow that comes before the end of a local activity.
    await Promise.allSettled(interruptions.left);
    upsertSearchAttributes({ RunStatus: [status] });
    const closing = closingOf(status, ending);
    if (closing !== null) throw closing;
  }
}
