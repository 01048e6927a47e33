import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../src/dev/ports';
import { eventually } from '../support/eventually';
import { LogLines } from '../support/log-lines';
import { startSystem, type System } from '../support/stack';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRAIL = { request_id: 'req_of_the_test', trace_id: TRACE };
const HEADERS = { 'x-request-id': TRAIL.request_id, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };

describe('Telemetry', () => {
  const logs = { api: new LogLines(), worker: new LogLines() };
  let system: System;
  let worker_metrics: string;
  beforeAll(async () => {
    const port = await freePort();
    worker_metrics = `http://127.0.0.1:${port}/metrics`;
    const settings = { LOG_LEVEL: 'trace', LONGHAUL_METRICS_PORT: String(port) };
    system = await startSystem({ logs, settings });
  });
  afterAll(() => system.stop());

  const textAt = async (url: string) => (await fetch(url)).text();
  const apiMetrics = () => textAt(`${system.api_url}/metrics`);
  const workerMetrics = () => textAt(worker_metrics);

  test('leads from a request to every step of its run, instant or not, in the log of the worker', async () => {
    const steps = [
      { id: 'quick', tool: 'calculator', input: { expression: '6 * 7' } },
      { id: 'slow', tool: 'test.wait', input: { ms: 1 } },
    ];
    const { id: run_id, trace_id } = await system.submit({ goal: 'two steps', plan: { steps } }, HEADERS);
    expect(trace_id).toBe(TRACE);
    await system.ended(run_id);

    const trail = { ...TRAIL, run_id, tenant: 'development' };
    expect(logs.api.having({ ...trail, route: '/v1/runs', method: 'POST', status: 202 })).toHaveLength(1);
    const told = await eventually(() => {
      const lines = logs.worker.having(trail);
      return lines.some(({ event }) => event === 'run.completed') && lines;
    });
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ event: 'run.status', status: 'running', previous: 'queued' }),
        expect.objectContaining({ event: 'plan.created', source: 'given', steps: 2 }),
        expect.objectContaining({ event: 'step.completed', step_id: 'quick', tool: 'calculator' }),
        expect.objectContaining({
          event: 'step.completed',
          step_id: 'slow',
          tool: 'test.wait',
          activity: 'useTool',
        }),
        expect.objectContaining({
          event: 'run.completed',
          status: 'completed',
          duration_ms: expect.any(Number),
        }),
      ]),
    );
    // No line about the run is without its trail.
    expect(logs.worker.having({ run_id })).toHaveLength(told.length);
  });

  test('has no goal, input or output in any line, also of runs that fail', async () => {
    const secret = 'Zanzibar';
    const unclear = await system.submit({ goal: `Sing about ${secret}` });
    const failing = await system.submit({
      goal: `${secret} fails`,
      plan: {
        steps: [
          { id: 'flaky', tool: 'test.flaky', input: { times: 1, note: secret } },
          { id: 'bad', tool: 'todo.complete', input: { text: secret }, needs: ['flaky'] },
        ],
      },
    });
    for (const { id } of [unclear, failing]) {
      expect(await system.ended(id)).toMatchObject({ status: 'failed' });
      await eventually(() => logs.worker.having({ run_id: id, event: 'run.failed' }).length === 1);
    }
    expect(logs.worker.having({ run_id: failing.id, event: 'step.retrying' })).toHaveLength(1);
    for (const text of [...logs.api.texts, ...logs.worker.texts]) expect(text).not.toContain(secret);
  });

  test('serves every metric of its reference, and none of ours that is not in it', async () => {
    const text = readFileSync(join(__dirname, '../../docs/reference/metrics.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` +\|.*\| ([a-z, ]+?) +\|$/gm)];
    const documented = (process: string) =>
      rows.filter(([, , at]) => at!.split(', ').includes(process)).map(([, name]) => name);
    const served = (metrics: string) =>
      [...metrics.matchAll(/^# TYPE (\w+)/gm)]
        .map(([, name]) => name!)
        .filter((name) => !/^(process|nodejs|temporal)_/.test(name));

    expect(served(await apiMetrics()).sort()).toEqual(documented('api').sort());
    expect(served(await workerMetrics()).sort()).toEqual(documented('worker').sort());
    // Those that the text below the table names.
    for (const [name] of text.matchAll(/(?<=`)(process|nodejs)_\w+(?=`)/g)) {
      expect(await apiMetrics()).toContain(`# TYPE ${name} `);
      expect(await workerMetrics()).toContain(`# TYPE ${name} `);
    }
  });

  test('counts what runs did, and tells what the SDK counts', async () => {
    const counters = {
      'step_executions_total{tool="test.wait",status="completed"}': 1,
      'step_executions_total{tool="test.flaky",status="retrying"}': 1,
      'run_status_total{status="completed"}': 1,
      'run_status_total{status="failed"}': 1,
      'run_duration_seconds_count{status="completed"}': 1,
      'run_phase_duration_seconds_count{phase="executing"}': 2,
      plan_latency_seconds_count: 2,
      'run_status_total{status="queued"}': 2,
      'http_requests_total{method="POST",route="/v1/runs",status="202"}': 2,
    };
    const count = async () => {
      const lines = `${await workerMetrics()}\n${await apiMetrics()}`.split('\n');
      const valueOf = (counter: string) =>
        Number(lines.find((line) => line.startsWith(`${counter} `))?.slice(counter.length) ?? 0);
      return Object.keys(counters).map((counter) => [counter, valueOf(counter)] as const);
    };
    const before = new Map(await count());
    const wait = { id: 'wait', tool: 'test.wait', input: { ms: 1 } };
    const flaky = { id: 'flaky', tool: 'test.flaky', input: { times: 1 } };
    const bad = { id: 'bad', tool: 'calculator', input: { expression: '1/0' }, needs: ['flaky'] };
    for (const steps of [[wait], [flaky, bad]]) {
      const { id } = await system.submit({ goal: 'count', plan: { steps } });
      await system.ended(id);
      // The line and the counters tell of the same commit, one right after the other.
      await eventually(() =>
        ['run.completed', 'run.failed'].some((event) => logs.worker.having({ run_id: id, event }).length > 0),
      );
    }
    const grown = (await count()).map(([counter, value]) => [counter, value - before.get(counter)!]);
    expect(Object.fromEntries(grown)).toEqual(counters);

    expect(await workerMetrics()).toMatch(/^temporal_worker_task_slots_available\{.*\} \d+$/m);
    const api = await apiMetrics();
    expect(api).toMatch(/^queue_age_seconds 0$/m);
    expect(api).toMatch(/^db_pool_connections\{state="idle"\} \d+$/m);
  });
});
