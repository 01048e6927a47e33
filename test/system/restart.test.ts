import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rerun } from '../../src/contracts/restart';
import type { Run } from '../../src/contracts/run';
import type { Step } from '../../src/contracts/plan';
import { GOAL, SAYS, expectWhole, modelsAt, purposeOf, typesOf } from '../support/model-runs';
import { scriptedProvider, type ScriptedProvider } from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';

let system: System;
let provider: ScriptedProvider;
let folder: string;
let ledger: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longhaul-restart-'));
  ledger = join(folder, 'ledger');
  provider = await scriptedProvider();
  system = await startSystem({
    settings: {
      LONGHAUL_MODELS: modelsAt(provider.url, 'small', 'medium', 'large'),
      LONGHAUL_TOOL_PACKS: join(__dirname, '..', 'support', 'mendable-pack.ts'),
    },
  });
});
beforeEach(async () => {
  provider.requests.splice(0);
  await writeFile(ledger, '');
  await breakSteps();
});
afterAll(async () => {
  await system.stop();
  await provider.close();
  await rm(folder, { recursive: true, force: true });
});

const breakSteps = (...ids: string[]) => writeFile(`${ledger}.broken`, ids.join(' '));
/** What the tool was called for since the last look. */
async function called(): Promise<string[]> {
  const lines = (await readFile(ledger, 'utf8')).split('\n').slice(0, -1);
  await writeFile(ledger, '');
  return lines.sort();
}
const asked = () => provider.requests.splice(0).map((request) => [purposeOf(request), request.body.model]);
const step = (id: string, gives: unknown): Step => ({ id, tool: 'test.mendable', input: { ledger, gives } });
const PLAN = () => [
  step('a', 1),
  step('b', '{a.value}'),
  step('c', 3),
  step('d', ['{b.value}', '{c.value}']),
];

async function post<T>(path: string, body: object, headers: Record<string, string> = {}) {
  const reply = await system.request(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: reply.status, headers: reply.headers, body: (await reply.json()) as T };
}

describe('A run that failed at a step', () => {
  test('is restarted once its tool is mended, and forked with another input: only the rest is called, and no planner and no judge', async () => {
    await breakSteps('d');
    provider.answer({ text: JSON.stringify({ steps: PLAN() }) }, { text: SAYS.judge });
    const first = await system.submit({ goal: GOAL, tags: ['apples'] });
    expect(await system.ended(first.id)).toMatchObject({ status: 'failed', superseded_by: null });
    expect(await called()).toEqual(['a 1', 'b 1', 'c 3', 'd [1,3]']);
    expect(asked().map(([purpose]) => purpose)).toEqual(['plan', 'judge']);

    await breakSteps();
    const foreseen = await post<Rerun>(`/v1/runs/${first.id}/restart?dry_run=true`, {});
    expect(foreseen.status).toBe(200);
    expect(foreseen.body.steps.map(({ id, action }) => `${action} ${id}`)).toEqual([
      'reuse a',
      'reuse b',
      'reuse c',
      'run d',
    ]);
    expect(await called()).toEqual([]);

    provider.answer({ text: SAYS.answer });
    const restart = await post<Run>(`/v1/runs/${first.id}/restart`, {}, { 'idempotency-key': 'mended' });
    expect(restart.status).toBe(201);
    const { id } = restart.body;
    expect(restart.headers.get('location')).toBe(restart.body.urls.self);
    expect(await system.ended(id)).toMatchObject({
      status: 'completed',
      answer: SAYS.answer,
      tags: ['apples'],
      origin: { type: 'restart', run_id: first.id, from: 'failed' },
      root_run_id: first.id,
    });
    expect(await called()).toEqual(['d [1,3]']);
    expect(asked()).toEqual([['answer', 'medium-1']]);
    expect(await system.get(first.id)).toMatchObject({ status: 'failed', superseded_by: id });
    const events = await system.events(id);
    expectWhole(events, 'run.completed');
    expect(typesOf(events).slice(0, 4)).toEqual([
      'run.created',
      'plan.created',
      'step.completed',
      'run.status',
    ]);
    const again = await post<Run>(`/v1/runs/${first.id}/restart`, {}, { 'idempotency-key': 'mended' });
    expect([again.status, again.body.id, again.headers.get('idempotent-replayed')]).toEqual([
      201,
      id,
      'true',
    ]);

    provider.answer({ text: SAYS.answer });
    const edits = { at: 'c', step_input: { ledger, gives: 30 }, model: 'large' };
    const fork = await post<Run>(`/v1/runs/${id}/fork`, edits);
    expect(fork.status).toBe(201);
    expect(await system.ended(fork.body.id)).toMatchObject({ status: 'completed', root_run_id: first.id });
    expect(await called()).toEqual(['c 30', 'd [1,30]']);
    expect(asked()).toEqual([['answer', 'large-1']]);
    expect(await system.events(fork.body.id)).toContainEqual(
      expect.objectContaining({ type: 'generation.started', data: { model: 'model/large' } }),
    );
    expect(await system.get(id)).toMatchObject({ superseded_by: null });
    expect(await system.describe(fork.body.id, 'COMPLETED')).toMatchObject({
      searchAttributes: { RunOrigin: ['fork'] },
    });
  });

  test('is planned anew by a fork at its start, by the tier that it names', async () => {
    await breakSteps('d');
    provider.answer({ text: JSON.stringify({ steps: PLAN() }) }, { text: SAYS.judge });
    const first = await system.submit({ goal: GOAL });
    await system.ended(first.id);
    asked();
    await called();

    const small = JSON.stringify({ steps: PLAN().slice(0, 1) });
    provider.answer({ text: small }, { text: SAYS.judge }, { text: SAYS.answer });
    const fork = await post<Run>(`/v1/runs/${first.id}/fork`, {
      at: 'start',
      goal: `${GOAL} Quickly.`,
      model: 'small',
    });
    expect(await system.ended(fork.body.id)).toMatchObject({ status: 'completed' });
    expect(await called()).toEqual(['a 1']);
    expect(asked()).toEqual([
      ['plan', 'small-1'],
      ['judge', 'small-1'],
      ['answer', 'small-1'],
    ]);
  });

  test('that asked no model is answered by the template again', async () => {
    await breakSteps('b');
    const first = await system.submit({ goal: 'calculate 1 / 0 and 2 + 2' });
    expect(await system.ended(first.id)).toMatchObject({ status: 'failed' });
    const restart = await post<Run>(`/v1/runs/${first.id}/fork`, {
      at: 'step_1',
      step_input: { expression: '1 / 2' },
    });
    expect(await system.ended(restart.body.id)).toMatchObject({
      status: 'completed',
      answer: expect.stringContaining('0.5'),
    });
    expect(asked()).toEqual([]);
  });
});
