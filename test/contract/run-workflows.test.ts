import { Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { createRunWorkflows } from '../../src/runs/run-workflows';
import { newId } from '../../src/db/new-id';
import { RULES } from '../support/runs';
import { servers } from '../support/database';
import { TRAIL } from '../../src/workflows/messages';

describe('The port to the workflows of runs', () => {
  let connection: Connection;
  beforeAll(async () => {
    connection = await Connection.connect({ address: servers().temporal_address });
  });
  afterAll(() => connection.close());

  test('starts each workflow with the trail of its own run, also many at once', async () => {
    const workflows = createRunWorkflows({ connection, namespace: 'default' }, 'nobody-polls');
    const runs = [1, 2, 3].map((n) => ({
      id: newId('run'),
      tenant: `tenant_${n}`,
      goal: 'a goal',
      rules: RULES,
      deadline_at: new Date(Date.now() + 60_000),
      origin: { type: 'api' },
      request_id: n === 3 ? null : `req_${n}`,
      trace_id: `${n}`.repeat(32),
    }));
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
});
