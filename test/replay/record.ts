import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { version } from '../../package.json';
import type { SubmitRun } from '../../src/contracts/run';
import { servers } from '../support/database';
import { eventually } from '../support/eventually';
import setUp from '../support/global-setup';
import tearDown from '../support/global-teardown';
import { startSystem, type System } from '../support/stack';

/**
 * Records the histories of this release into test/replay/histories: `npm run record:histories`. They are kept for ever: a change that
 * cannot replay them would break the runs that are open while it is deployed.
 */
const FOLDER = join(__dirname, 'histories');

interface Scenario {
  name: string;
  body: SubmitRun;
  during?: (system: System, run_id: string) => Promise<unknown>;
}

const wait = (id: string, ms: number, needs?: string[]) => ({
  id,
  tool: 'test.wait',
  input: { ms },
  ...(needs && { needs }),
});

const SCENARIOS: Scenario[] = [
  { name: 'happy', body: { goal: 'calculate 12 * 7 and 3 + 4, then add both results as todos' } },
  { name: 'not-understood', body: { goal: 'Sing a song' } },
  {
    name: 'slow',
    body: { goal: 'wait', plan: { steps: [wait('a', 100), wait('b', 50), wait('c', 10, ['a', 'b'])] } },
  },
  {
    name: 'failed-step',
    body: {
      goal: 'fail',
      plan: { steps: [{ id: 'bad', tool: 'calculator', input: { expression: '1/0' } }, wait('w', 5_000)] },
    },
  },
  {
    name: 'skipped',
    body: {
      goal: 'skip',
      plan: {
        steps: [
          { id: 'bad', tool: 'calculator', input: { expression: '1/0' }, on_failure: 'continue' },
          { id: 'after', tool: 'calculator', input: { expression: '{bad.value}' } },
          { id: 'other', tool: 'todo.list', input: {} },
        ],
      },
    },
  },
  {
    name: 'retried',
    body: { goal: 'retry', plan: { steps: [{ id: 'f', tool: 'test.flaky', input: { times: 1 } }] } },
  },
  {
    name: 'timed-out',
    body: { goal: 'wait', budget: { max_duration_s: 1 }, plan: { steps: [wait('w', 60_000)] } },
  },
  {
    name: 'cancelled',
    body: { goal: 'wait', plan: { steps: [wait('w', 60_000)] } },
    async during(system, id) {
      await eventually(async () => (await system.events(id)).some(({ type }) => type === 'step.started'));
      await system.request(`/v1/runs/${id}/cancel`, { method: 'POST', body: '{}' });
    },
  },
];

async function record(system: System, client: Client, { name, body, during }: Scenario): Promise<void> {
  const run = await system.submit(body);
  await during?.(system, run.id);
  await system.ended(run.id);
  const handle = client.workflow.getHandle(run.id);
  await handle.result().catch(() => undefined); // how it closes is part of the history
  const file = join(FOLDER, `${version}-${name}.json`);
  writeFileSync(file, `${withoutMachine(historyToJSON(await handle.fetchHistory()))}\n`);
  process.stdout.write(`${file}\n`);
}

/** The history without what belongs to the machine it was recorded on: names of processes and the paths in stack traces. */
function withoutMachine(json: string): string {
  const marks = new Set(['identity', 'stackTrace', 'workerInstanceKey', 'workerControlTaskQueue']);
  const kept = JSON.parse(json, (key, value: unknown) =>
    typeof value === 'string' && (marks.has(key) || /^\d+@/.test(value)) ? '' : value,
  ) as unknown;
  return JSON.stringify(kept, null, 1);
}

async function main(): Promise<void> {
  await setUp();
  const connection = await Connection.connect({ address: servers().temporal_address });
  const client = new Client({ connection });
  const system = await startSystem();
  for (const scenario of SCENARIOS) await record(system, client, scenario);
  await system.stop();
  const planted = await startSystem({ worker: 'test/support/planted-worker.ts' });
  await record(planted, client, { name: 'plan-rejected', body: { goal: 'list my todos' } });
  await planted.stop();
  await connection.close();
  await tearDown();
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
