import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowExecutionAlreadyStartedError,
  type ClientOptions,
  type WorkflowClientInterceptor,
} from '@temporalio/client';
import { SearchAttributeType, defaultPayloadConverter, defineSearchAttributeKey } from '@temporalio/common';
import type { Rules } from '../contracts/rules';
import type { Trail } from '../contracts/trail';
import { LOOK, RUN_WORKFLOW, TRAIL, queueOf, type RunInput } from '../workflows/messages';

/** Longest wait for Temporal to wake a workflow, milliseconds: a client waits for it. It is woken later otherwise. */
const WAKE_WITHIN_MS = 1_000;
/** One try to start one, milliseconds; nobody waits for it, and one that is taken after its caller has gone delays its first task by seconds. */
const TRY_WITHIN_MS = 2_000;
/** All tries to start one, milliseconds: less than a claim of it lasts. */
const START_WITHIN_MS = 2_500;
/** Characters of the goal that the Temporal UI shows. */
const SUMMARY_CHARS = 200;

/** Temporal takes keys of at most 64 bytes; tenants that are named by more share a turn with those of the same beginning. */
const FAIRNESS_KEY_CHARS = 64;

const TENANT = defineSearchAttributeKey('TenantId', SearchAttributeType.KEYWORD);
const STATUS = defineSearchAttributeKey('RunStatus', SearchAttributeType.KEYWORD);
const ORIGIN = defineSearchAttributeKey('RunOrigin', SearchAttributeType.KEYWORD);

/** What Temporal has to know of a run. */
export interface StartableRun {
  id: string;
  tenant: string;
  goal: string;
  rules: Rules;
  deadline_at: Date;
  origin: { type: string };
  request_id: string | null;
  trace_id: string | null;
}

/** The port to the workflows of runs, for those who start them. */
export interface RunStarter {
  /**
   * Starts the workflow of a run; one that is there already is success. Over the connection of a worker that has room, that worker gets
   * the first task with the reply.
   * @returns Temporal's run id of the workflow that is open now; null where there is one that has closed
   * @throws when Temporal does not take it within 2.5 s.
   */
  start(run: StartableRun): Promise<string | null>;
}

/** The same, for those who wake them. */
export interface RunWaker {
  /** Wakes the workflow so that it asks what is wished. @throws when Temporal does not answer within a second, or has no such open workflow. */
  look(run_id: string): Promise<void>;
}

export type RunWorkflows = RunStarter & RunWaker;

type Temporal = Required<Pick<ClientOptions, 'connection' | 'namespace'>>;

/** The part of the port that wakes, over any connection to Temporal. */
export function createRunWaker(temporal: Temporal): RunWaker {
  const client = new Client(temporal);
  return {
    async look(run_id) {
      const handle = client.workflow.getHandle(run_id);
      await client.withDeadline(Date.now() + WAKE_WITHIN_MS, () => handle.signal(LOOK));
    },
  };
}

/** The whole port, over the connection of a worker: no other one can ask for first tasks. `queue` is the prefix of the task queues. */
export function createRunWorkflows(temporal: Temporal, queue: string): RunWorkflows {
  const starting = new AsyncLocalStorage<Trail>();
  const client = new Client({ ...temporal, interceptors: { workflow: [withTrail(starting)] } });
  return {
    ...createRunWaker(temporal),
    async start(run) {
      const input: RunInput = { run_id: run.id, rules: run.rules, deadline_at_ms: run.deadline_at.getTime() };
      const start = () =>
        client.workflow.start(RUN_WORKFLOW, {
          workflowId: run.id,
          taskQueue: queueOf(queue, 'runs'),
          args: [input],
          requestEagerStart: true,
          workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
          // A worker that dies with the task must not hold it for the default of 10 s.
          workflowTaskTimeout: '5 s',
          // Backlogs are served in turns of tenants, also those of activities, which inherit it: a flood of one does not starve another.
          priority: { fairnessKey: run.tenant.slice(0, FAIRNESS_KEY_CHARS) },
          staticSummary: run.goal.slice(0, SUMMARY_CHARS),
          typedSearchAttributes: [
            { key: TENANT, value: run.tenant },
            { key: STATUS, value: 'running' },
            { key: ORIGIN, value: run.origin.type },
          ],
        });
      try {
        const { id: run_id, tenant, request_id, trace_id } = run;
        const started = starting.run({ request_id, trace_id, tenant, run_id }, () =>
          client.withDeadline(Date.now() + TRY_WITHIN_MS, start),
        );
        return (await within(START_WITHIN_MS, started)).firstExecutionRunId;
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
        throw error;
      }
    },
  };
}

/** Puts the trail of the run that is being started into a header: only an interceptor may write one. */
function withTrail(starting: AsyncLocalStorage<Trail>): WorkflowClientInterceptor {
  return {
    startWithDetails(input, next) {
      const trail = { [TRAIL]: defaultPayloadConverter.toPayload(starting.getStore()) };
      return next({ ...input, headers: { ...input.headers, ...trail } });
    },
  };
}

/** The SDK tries again for longer than it is told to wait. What it is left alone with does no harm: a second start of a run is none. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = sleep(ms, undefined, { signal: over.signal, ref: false }).then(() => {
    throw new Error(`It was not taken within ${ms} ms.`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined); // nobody waits for it any more
    work.catch(() => undefined);
    over.abort();
  }
}
