import { Client, WorkflowNotFoundError, type ClientOptions } from '@temporalio/client';

/** Longest wait for Temporal, milliseconds. What it does not say in that time is asked again later. */
const CALL_TIMEOUT_MS = 2_000;

/** How the newest workflow of a run stands. */
export type Standing = 'open' | 'closed' | 'unknown';

/** Whether Temporal knows workflows of ours, and which Temporal that is. */
export interface KnownWorkflows {
  /** What it calls the namespace: one that was made anew has another id under the same name. @throws when it does not answer in time */
  namespaceId(): Promise<string>;
  /** @throws as `namespaceId`, and where there is no such namespace */
  standingOf(run_id: string): Promise<Standing>;
}

/** The port over a connection to Temporal. */
export function createKnownWorkflows(
  temporal: Required<Pick<ClientOptions, 'connection' | 'namespace'>>,
): KnownWorkflows {
  const { namespace } = temporal;
  const client = new Client(temporal);
  const inTime = <T>(ask: () => Promise<T>) => client.withDeadline(Date.now() + CALL_TIMEOUT_MS, ask);
  return {
    async namespaceId() {
      const { namespaceInfo } = await inTime(() => client.workflowService.describeNamespace({ namespace }));
      return namespaceInfo!.id!;
    },
    async standingOf(run_id) {
      try {
        const { status } = await inTime(() => client.workflow.getHandle(run_id).describe());
        return status.name === 'RUNNING' || status.name === 'PAUSED' ? 'open' : 'closed';
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return 'unknown';
        throw error;
      }
    },
  };
}
