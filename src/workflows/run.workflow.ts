import { upsertSearchAttributes } from '@temporalio/workflow';
import { agreeOnPlan } from './agree-on-plan';
import { carryOut } from './carry-out';
import { closingOf, endingOf } from './failures';
import { listen } from './interruptions';
import type { RunInput } from './messages';
import { endRun, writeAnswer } from './proxies';

/** One run, from its goal to its answer. */
export async function run(input: RunInput): Promise<void> {
  const { run_id } = input;
  const interruptions = listen(input); // before the first await
  try {
    await interruptions.guard(async () => {
      const outline = await agreeOnPlan(input, interruptions);
      const { answered } = await carryOut(input, outline, interruptions);
      if (!answered) interruptions.heed(await writeAnswer({ run_id, plan_version: outline.plan_version }));
    });
    upsertSearchAttributes({ RunStatus: ['completed'] });
  } catch (thrown) {
    const ending = endingOf(thrown); // rethrows bugs
    const { status } = await endRun({ run_id, ending }); // also a cancelled run says how it ended
    upsertSearchAttributes({ RunStatus: [status] });
    const closing = closingOf(status, ending);
    if (closing !== null) throw closing;
  }
}
