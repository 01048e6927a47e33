import { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { temporal as proto } from '@temporalio/proto';
import { NativeConnection } from '@temporalio/worker';
import { createClosedWorkflows } from '../../src/runs/closed-workflows';
import { createKnownWorkflows } from '../../src/runs/known-workflows';
import { createRunWorkflows } from '../../src/runs/run-workflows';
import { newId } from '../../src/db/new-id';
import { RULES } from '../support/runs';
import { servers } from '../support/database';
import { eventually } from '../support/eventually';
import { queueOf, TRAIL } from '../../src/workflows/messages';

/** Runs of the tenant that floods the queue. */
const FLOOD = 20;
/** Longest wait for one task that already lies in the queue, milliseconds. */
const POLL_LIMIT_MS = 30_000;
const WORKFLOW_TASKS = proto.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW;

/** What a worker starts a run with. */
const startable = (n: number) => ({
  id: newId('run'),
  tenant: `tenant_${n}`,
  goal: 'a goal',
  rules: RULES,
  deadline_at: new Date(Date.now() + 60_000),
  origin: { type: 'api' },
  request_id: n === 3 ? null : `req_${n}`,
  trace_id: `${n}`.repeat(32),
});

let connection: NativeConnection;
beforeAll(async () => {
  connection = await NativeConnection.connect({ address: servers().temporal_address });
});
afterAll(() => connection.close());

describe('The port to the workflows of runs', () => {
  test('starts each workflow with the trail of its own run, also many at once', async () => {
    const workflows = createRunWorkflows({ connection, namespace: 'default' }, 'nobody-polls');
    const runs = [1, 2, 3].map(startable);
    await Promise.all(runs.map((run) => workflows.start(run)));
    for (const { id: run_id, tenant, request_id, trace_id } of runs) {
      const { history } = await connection.workflowService.getWorkflowExecutionHistory({
        namespace: 'default',
        execution: { workflowId: run_id },
      });
      const header = history!.events![0]!.workflowExecutionStartedEventAttributes!.header!.fields!;
      expect(defaultPayloadConverter.fromPayload(header[TRAIL]!)).toEqual({
        request_id,
        trace_id,
        tenant,
        run_id,
      });
    }
  });

  test('serves three other tenants within the first four turns, whatever a flood has queued before them', async () => {
    const temporal = { connection, namespace: 'default' };
    const queue = `polled-by-hand-${newId('run').toLowerCase()}`;
    const workflows = createRunWorkflows(temporal, queue);
    const flood = Array.from({ length: FLOOD }, () => startable(1));
    const others = [2, 3, 4].map(startable);
    for (const run of [...flood, ...others]) await workflows.start(run);
    const from = { namespace: 'default', taskQueue: { name: queueOf(queue, 'runs') } };
    await eventually(
      async () => {
        const asked = { ...from, taskQueueType: WORKFLOW_TASKS, reportStats: true };
        const { stats } = await connection.workflowService.describeTaskQueue(asked);
        return Number(stats?.approximateBacklogCount) >= FLOOD + others.length;
      },
      { what: 'all to wait in the queue' },
    );

    const served: string[] = [];
    while (served.length <= others.length) {
      const poll = () => connection.workflowService.pollWorkflowTaskQueue({ ...from, identity: 'by hand' });
      const { workflowExecution } = await connection.withDeadline(Date.now() + POLL_LIMIT_MS, poll);
      served.push(workflowExecution!.workflowId!);
    }
    const client = new Client(temporal);
    for (const { id } of [...flood, ...others]) await client.workflow.getHandle(id).terminate();
    expect(served).toEqual(expect.arrayContaining(others.map(({ id }) => id)));
  });
});

describe('The port to workflows that were closed from outside', () => {
  const queue = `nobody-polls-${newId('run').toLowerCase()}`;
  test('lists those of its own queue that were terminated, and says by which execution and why', async () => {
    const temporal = { connection, namespace: 'default' };
    const client = new Client(temporal);
    const closed = createClosedWorkflows(temporal, queue);
    const [one, open, canceled, of_others] = [1, 1, 1, 1].map(startable);
    const before = new Date(Date.now() - 1_000);
    const workflows = createRunWorkflows(temporal, queue);
    for (const run of [one!, open!, canceled!]) await workflows.start(run);
    await createRunWorkflows(temporal, `${queue}-others`).start(of_others!);
    const { runId: execution } = await client.workflow.getHandle(one!.id).describe();
    for (const { id } of [one!, of_others!]) await client.workflow.getHandle(id).terminate('Enough.');
    await client.workflow.getHandle(canceled!.id).cancel(); // nobody polls, so it stays open

    const listed = async (since: Date) => {
      const ids: string[] = [];
      for await (const page of closed.since(since)) ids.push(...page.map(({ run_id }) => run_id));
      return ids;
    };
    await eventually(async () => (await listed(before)).length > 0, { what: 'Temporal to list it' });
    expect(await listed(before)).toEqual([one!.id]);
    const { closeTime } = await client.workflow.getHandle(one!.id, execution).describe();
    for await (const [workflow] of closed.since(before)) expect(workflow!.closed_at).toEqual(closeTime);
    expect(await listed(new Date(Date.now() + 60_000))).toEqual([]);
    expect(await closed.newestOf(one!.id)).toEqual({ execution, reason: 'Enough.' });
    for (const run_id of [open!.id, canceled!.id, 'run_of_nobody'])
      expect(await closed.newestOf(run_id)).toBeNull();
    for (const { id } of [open!, canceled!]) await client.workflow.getHandle(id).terminate();
  });
});

describe('The port to workflows that Temporal may have lost', () => {
  test('tells an open one, a closed one and one that is not there apart, as a start of them does', async () => {
    const temporal = { connection, namespace: 'default' };
    const known = createKnownWorkflows(temporal);
    const workflows = createRunWorkflows(temporal, 'nobody-polls');
    const run = startable(1);
    expect(await known.standingOf(run.id)).toBe('unknown');
    const execution = await workflows.start(run);
    expect(await known.standingOf(run.id)).toBe('open');
    expect(await workflows.start(run)).toBe(execution);
    const handle = new Client(temporal).workflow.getHandle(run.id);
    expect((await handle.describe()).runId).toBe(execution);
    await handle.terminate();
    expect(await known.standingOf(run.id)).toBe('closed');
    expect(await workflows.start(run)).toBeNull();
  });

  test('names the namespace by what it is, and takes one that is not there for no answer', async () => {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    const known = createKnownWorkflows({ connection, namespace: 'default' });
    expect(await known.namespaceId()).toBe(namespaceInfo!.id);
    expect(namespaceInfo!.id).not.toBe('default');
    const nowhere = createKnownWorkflows({ connection, namespace: 'nowhere' });
    await expect(nowhere.standingOf('run_1')).rejects.toThrow();
    await expect(nowhere.namespaceId()).rejects.toThrow();
  });
});
