import type { Context } from '@temporalio/activity';
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { ActivityInterceptors } from '@temporalio/worker';
import type { Trail } from '../contracts/trail';
import type { LogContext, LogFields } from '../telemetry/context';
import { TRAIL } from '../workflows/messages';

/** Runs every activity inside the log context of its run: what it writes leads back to the request. */
export function inLogContext(context: LogContext): (activity: Context) => ActivityInterceptors {
  return ({ info }) => ({
    inbound: {
      execute(input, next) {
        const fields: LogFields = {
          ...trailIn(input.headers),
          ...namesIn(input.args[0]),
          activity: info.activityType,
          activity_attempt: info.attempt,
        };
        return context.run(fields, () => next(input));
      },
    },
  });
}

/** A run that an earlier release started has none. */
function trailIn(headers: Headers): Partial<Trail> {
  const payload = headers[TRAIL];
  return payload === undefined ? {} : defaultPayloadConverter.fromPayload<Trail>(payload);
}

/** Which run and step an activity is about, as its input says. */
function namesIn(input: unknown): Pick<LogFields, 'run_id' | 'step_id'> {
  const { run_id, step_id } = input as { run_id: string; step_id?: string };
  return { run_id, ...(step_id === undefined ? {} : { step_id }) };
}
