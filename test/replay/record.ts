import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { version } from '../../package.json';
import type { Run, SubmitRun } from '../../src/contracts/run';
import { servers } from '../support/database';
import { eventually } from '../support/eventually';
import setUp from '../support/global-setup';
import tearDown from '../support/global-teardown';
import { scriptedProvider, type Answer, type ProviderRequest } from '../support/scripted-provider';
import { startSystem, type System, type SystemOptions } from '../support/stack';

/**
 * Records the histories of this release into test/replay/histories: `npm run record:histories`, or only those that are named:
 * `npm run record:histories -- by-models`. They are kept for ever: a change that
 * cannot replay them would break the runs that are open while it is deployed.
 */
const FOLDER = join(__dirname, 'histories');

interface Scenario {
  name: string;
  body: SubmitRun;
  during?: (system: System, run_id: string, client: Client) => Promise<unknown>;
  /** Repeats the run once it has ended. @returns the run that is recorded in its place */
  repeat?: (system: System, run_id: string) => Promise<Run>;
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
    // Since it asks for its deadline once more when it is late.
    name: 'late',
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
  {
    name: 'restarted',
    body: {
      goal: 'divide',
      plan: {
        steps: [
          wait('a', 10),
          { id: 'bad', tool: 'calculator', input: { expression: '1/0' }, needs: ['a'] },
          wait('b', 10, ['bad']),
        ],
      },
    },
    async repeat(system, id) {
      const body = JSON.stringify({ at: 'bad', step_input: { expression: '1/2' } });
      return (await (await system.request(`/v1/runs/${id}/fork`, { method: 'POST', body })).json()) as Run;
    },
  },
];

const PLANTED: Scenario = { name: 'plan-rejected', body: { goal: 'list my todos' } };
/** A goal for models: the first plan is rejected, the second one carried out, a slow step in it. */
const BY_MODELS: Scenario = { name: 'by-models', body: { goal: 'Hold on for a moment, please.' } };

/** A call of which nobody hears how it ended, in a run that waits for a person longer than it may take by itself. */
const ATTENTION: Scenario = {
  name: 'attention',
  body: {
    goal: 'ask',
    plan: { steps: [{ id: 'ask', tool: 'test.doubtful', input: {} }, wait('after', 10, ['ask'])] },
    budget: { max_duration_s: 2 },
  },
  async during(system, id, client) {
    await eventually(async () => (await system.get(id)).status === 'waiting');
    await eventually(async () => {
      const { events } = await client.workflow.getHandle(id).fetchHistory();
      return events?.some(({ timerFiredEventAttributes }) => Boolean(timerFiredEventAttributes));
    });
    const body = JSON.stringify({ outcome: 'done', output: {}, reason: 'I saw it.' });
    await system.request(`/v1/runs/${id}/steps/ask/resolve`, { method: 'POST', body });
  },
};

/** What the models say. */
function scripted(): (request: ProviderRequest) => Answer {
  let plans = 0;
  let verdicts = 0;
  return ({ body }) => {
    const format = body.response_format?.json_schema?.name;
    // Another one each time: nobody judges the same plan twice.
    if (format === 'plan') return { text: JSON.stringify({ steps: [wait('hold_on', 10 * (plans += 1))] }) };
    if (format !== 'verdict') return { text: 'It is over [hold_on].' };
    verdicts += 1;
    const is_valid = verdicts > 1;
    return { text: JSON.stringify({ is_valid, confidence: 0.9, issues: [], suggestions: [] }) };
  };
}

/** Records those of the scenarios that are wanted: all, or those that the command names. */
async function withSystem(options: SystemOptions, scenarios: Scenario[], client: Client): Promise<void> {
  const names = process.argv.slice(2);
  const wanted = scenarios.filter(({ name }) => names.length === 0 || names.includes(name));
  if (wanted.length === 0) return;
  const system = await startSystem(options);
  for (const scenario of wanted) await record(system, client, scenario);
  await system.stop();
}

async function record(system: System, client: Client, scenario: Scenario): Promise<void> {
  const { name, body, during, repeat } = scenario;
  let run = await system.submit(body);
  await during?.(system, run.id, client);
  await system.ended(run.id);
  if (repeat !== undefined) {
    run = await repeat(system, run.id);
    await system.ended(run.id);
  }
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
  await withSystem({}, SCENARIOS, client);
  await withSystem({ worker: 'test/support/planted-worker.ts' }, [PLANTED], client);
  const packs = ['tool-pack.ts', 'unsafe-pack.ts'].map((pack) => join(__dirname, '../support', pack));
  await withSystem({ settings: { LONGHAUL_TOOL_PACKS: packs.join(',') } }, [ATTENTION], client);
  const provider = await scriptedProvider();
  provider.serve(scripted());
  const LONGHAUL_MODELS = JSON.stringify({ small: [{ model: 'm', base_url: provider.url }] });
  await withSystem({ settings: { LONGHAUL_MODELS } }, [BY_MODELS], client);
  await provider.close();
  await connection.close();
  await tearDown();
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
