import type { ActivityInput, Headers, LocalActivityInput, WorkflowInterceptors } from '@temporalio/workflow';
import { TRAIL } from './messages';

/**
 * Hands the trail of a run, as its workflow was started with it, on to every activity. It is carried as it came, never read; each of
 * these returns the very promise it is given, so that they add no point at which a workflow yields.
 */
export function interceptors(): WorkflowInterceptors {
  let trail: Headers = {};
  const withTrail = <Input extends ActivityInput | LocalActivityInput>(input: Input): Input => ({
    ...input,
    headers: { ...input.headers, ...trail },
  });
  return {
    inbound: [
      {
        execute(input, next) {
          const payload = input.headers[TRAIL];
          if (payload !== undefined) trail = { [TRAIL]: payload };
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: (input, next) => next(withTrail(input)),
        scheduleLocalActivity: (input, next) => next(withTrail(input)),
      },
    ],
  };
}
