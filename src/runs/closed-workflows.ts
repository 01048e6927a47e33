import { Client, WorkflowNotFoundError, type ClientOptions } from '@temporalio/client';
import { tsToMs } from '@temporalio/common/lib/time';
import { RUN_WORKFLOW, queueOf } from '../workflows/messages';

/** Longest wait for Temporal, milliseconds. What it does not say in that time is asked again later. */
const CALL_TIMEOUT_MS = 2_000;
/** Workflows of one answer. */
const PAGE = 200;
/** How a workflow closes when others than itself close it. */
const FROM_OUTSIDE = ['TERMINATED', 'TIMED_OUT', 'CANCELLED'];

/** A workflow that was closed from outside, as the list shows it. */
export interface ListedWorkflow {
  run_id: string;
  /** By the clock of Temporal. */
  closed_at: Date;
}

/** A workflow that was closed from outside. */
export interface ClosedWorkflow {
  /** Temporal's run id. */
  execution: string;
  /** What the operator said, if anything. */
  reason: string | null;
}

/** What Temporal says of workflows that were closed from outside: terminated, canceled, or timed out. */
export interface ClosedWorkflows {
  /** Those that were closed after `since`, by the clock of Temporal, in pages. @throws when Temporal does not answer in time */
  since(since: Date): AsyncIterable<ListedWorkflow[]>;
  /** The newest workflow of a run, where it was closed from outside; null where it is open, closed by itself, or unknown. @throws as `since` */
  newestOf(run_id: string): Promise<ClosedWorkflow | null>;
}

/** The port over a connection to Temporal. `queue` is the prefix of the task queues. */
export function createClosedWorkflows(
  temporal: Required<Pick<ClientOptions, 'connection' | 'namespace'>>,
  queue: string,
): ClosedWorkflows {
  const { namespace } = temporal;
  const client = new Client(temporal);
  const inTime = <T>(ask: () => Promise<T>) => client.withDeadline(Date.now() + CALL_TIMEOUT_MS, ask);
  return {
    async *since(since) {
      const query = [
        `WorkflowType = '${RUN_WORKFLOW}'`,
        `TaskQueue = '${queueOf(queue, 'runs')}'`,
        "ExecutionStatus in ('Terminated', 'TimedOut', 'Canceled')",
        `CloseTime > '${since.toISOString()}'`,
      ].join(' and ');
      let nextPageToken: Uint8Array | undefined;
      do {
        const request = { namespace, query, pageSize: PAGE, ...(nextPageToken && { nextPageToken }) };
        const page = await inTime(() => client.workflowService.listWorkflowExecutions(request));
        yield page.executions.map(({ execution, closeTime }) => ({
          run_id: execution!.workflowId!,
          closed_at: new Date(tsToMs(closeTime)),
        }));
        nextPageToken = page.nextPageToken;
      } while (nextPageToken.length > 0);
    },
    async newestOf(run_id) {
      try {
        const { runId: execution, status } = await inTime(() => client.workflow.getHandle(run_id).describe());
        if (!FROM_OUTSIDE.includes(status.name)) return null;
        return { execution, reason: await inTime(() => reasonOf(client, namespace, run_id, execution)) };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    },
  };
}

/** The last event of a history says why. */
async function reasonOf(
  client: Client,
  namespace: string,
  workflowId: string,
  runId: string,
): Promise<string | null> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace,
    execution: { workflowId, runId },
    maximumPageSize: 1,
  });
  return history?.events?.[0]?.workflowExecutionTerminatedEventAttributes?.reason || null;
}
