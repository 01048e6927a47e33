import { join } from 'node:path';
import type { RunEvent } from '../../src/contracts/event';
import type { Step } from '../../src/contracts/plan';
import type { Run } from '../../src/contracts/run';
import { ENDS, LETS_GO } from '../support/hostile-pack';
import { LogLines } from '../support/log-lines';
import { expectWhole } from '../support/model-runs';
import { startSystem, type Program, type System } from '../support/stack';

let system: System;
let worker: Program;
const log = { api: new LogLines(), worker: new LogLines() };
beforeAll(async () => {
  const packs = ['tool-pack.ts', 'hostile-pack.ts'].map((file) => join(__dirname, '../support', file));
  system = await startSystem({ settings: { LONGHAUL_TOOL_PACKS: packs.join(',') }, logs: log });
  worker = system.worker;
});
afterAll(() => system.stop());

const idOf = (tool: string) => tool.replace('.', '_');
const TOOLS = [...ENDS.keys()].filter((tool) => tool !== LETS_GO);

describe('Tools that do what no tool should, all in one run', () => {
  let hostile: Run;
  let other: Run;
  let events: RunEvent[];
  beforeAll(async () => {
    const steps = TOOLS.map((tool): Step => ({ id: idOf(tool), tool, input: {}, on_failure: 'continue' }));
    const waits = Array.from({ length: 5 }, (_, at): Step => {
      const needs = at === 0 ? {} : { needs: [`wait_${at - 1}`] };
      return { id: `wait_${at}`, tool: 'test.wait', input: { ms: 200 }, ...needs };
    });
    const { id } = await system.submit({ goal: 'Do harm', plan: { steps } });
    const meanwhile = await system.submit({ goal: 'Go on', plan: { steps: waits } });
    [hostile, other] = await Promise.all([system.ended(id), system.ended(meanwhile.id)]);
    events = await system.events(id);
  });

  test('end their own steps alone', () => {
    expect(hostile.status).toBe('completed');
    expectWhole(events, 'run.completed');
    const ended = events.flatMap((event) => {
      if (event.type === 'step.completed') return [[event.step_id, 'completed']];
      return event.type === 'step.failed'
        ? [[event.step_id, (event as RunEvent<'step.failed'>).data.failure.code]]
        : [];
    });
    expect(Object.fromEntries(ended)).toEqual(
      Object.fromEntries(TOOLS.map((tool) => [idOf(tool), ENDS.get(tool)])),
    );
  });

  test('flood neither the log nor its readers', async () => {
    expect(events.filter(({ type }) => type === 'step.progress').length).toBeLessThan(50);
    expect(Math.max(...events.map((event) => JSON.stringify(event).length))).toBeLessThan(40_000);
    const much = events.find((event) => event.type === 'step.completed' && event.step_id === 'returns_much');
    const url = `/v1/runs/${hostile.id}/steps/returns_much`;
    expect(much).toMatchObject({ data: { output_ref: { bytes: 100_011, url } } });
    expect(await (await system.request(url)).json()).toMatchObject({ output: { text: 'x'.repeat(100_000) } });
  });

  test('hold up no other run, and leave the worker as it was', async () => {
    expect(other.status).toBe('completed');
    expect(worker.process.exitCode).toBeNull();
    const after = await system.submit({ goal: 'What is 6 * 7?' });
    expect(await system.ended(after.id)).toMatchObject({
      status: 'completed',
      answer: expect.stringContaining('42') as string,
    });
    expect(worker.process.exitCode).toBeNull();
  });

  test('are not heard when they end after their try is over', async () => {
    const plan = { steps: [{ id: 'go', tool: LETS_GO, input: {} }] };
    const { id } = await system.submit({ goal: 'Let go', plan });
    await system.ended(id);
    expect(await system.events(hostile.id)).toEqual(events);
    expect(worker.process.exitCode).toBeNull();
  });

  test('are told of in the log where they left a failure behind', () => {
    const said = log.worker
      .having({ level: 'error', run_id: hostile.id })
      .map(({ step_id }) => step_id)
      .sort();
    const left = [
      'leaves_a_rejection',
      'leaves_a_rejection_later',
      'leaves_an_exception',
      'leaves_an_exception_later',
    ];
    expect(said).toEqual(left);
  });
});
