import { join } from 'node:path';
import type { Step } from '../../src/contracts/plan';
import type { Run, SubmitRun } from '../../src/contracts/run';
import { eventually } from '../support/eventually';
import { historySizesOf, type HistorySizes, type Part } from '../support/history-sizes';
import { modelsAt, purposeOf } from '../support/model-runs';
import {
  scriptedProvider,
  type Answer,
  type ProviderRequest,
  type ScriptedProvider,
} from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';

/** What Temporal refuses, bytes; what is usual, and what the outline of a plan may have. */
const REFUSED = 256 * 1_024;
const USUAL = 4 * 1_024;
const OUTLINE = 64 * 1_024;

let system: System;
let provider: ScriptedProvider;
beforeAll(async () => {
  provider = await scriptedProvider();
  provider.serve(said);
  const LONGHAUL_TOOL_PACKS = join(__dirname, '../support/large-pack.ts');
  const LONGHAUL_MODELS = modelsAt(provider.url, 'small', 'medium');
  const settings = { LONGHAUL_TOOL_PACKS, LONGHAUL_MODELS, LONGHAUL_BODY_LIMIT: '10000000' };
  system = await startSystem({ settings });
});
afterAll(async () => {
  await system.stop();
  await provider.close();
});

/** Texts as long as what asks for them takes. */
const GOAL_CHARS = 32_000;
const long = (begins: string, chars = GOAL_CHARS) => begins.padEnd(chars, ' €');
const LABELS = {
  user: long('u', 200),
  metadata: Object.fromEntries(
    Array.from({ length: 16 }, (_, at) => [long(`key_${10 + at}`, 64), long('value', 512)]),
  ),
  tags: Array.from({ length: 16 }, (_, at) => long(`tag_${10 + at}`, 64)),
};
const idOf = (at: number) => `step_${10 + at}_`.padEnd(64, 'x');

/** Fifty steps with 64 KB of input each, named as long as can be, with as many edges as an outline has room for. */
function largePlan(): Step[] {
  const input = (chars: number) => ({ chars, ballast: 'x'.repeat(65_536 - 40) });
  const odd = new Map([
    [0, { tool: 'large.output', input: input(999_990) }],
    [1, { tool: 'large.failure', input: input(3_000_000) }],
    [2, { tool: 'large.question', input: input(3_000_000) }],
  ]);
  return Array.from({ length: 50 }, (_, at) => ({
    id: idOf(at),
    tool: 'large.output',
    input: input(10),
    on_failure: 'continue' as const,
    join: 'any' as const,
    needs: at < 3 ? [] : Array.from({ length: Math.min(at, 17) }, (_, to) => idOf(at - 1 - to)),
    ...odd.get(at),
  }));
}

/** A model that says as much as it can. */
function said(request: ProviderRequest): Answer {
  const about = (what: string) => request.body.messages.some(({ content }) => content.includes(what));
  if (about('Fail')) return { status: 400, body: { error: { message: 'm'.repeat(1_000_000) } } };
  const sentences = Array.from({ length: 50 }, () => 'i'.repeat(5_000));
  const steps = Array.from({ length: 40 }, (_, at) => ({
    id: idOf(at),
    tool: 'calculator',
    input: { expression: `1${' '.repeat(800)}+ ${at}` },
    ...(at > 0 && { needs: [idOf(at - 1)] }),
  }));
  const verdict = { is_valid: !about('Reject'), confidence: 0.95, issues: sentences, suggestions: sentences };
  switch (purposeOf(request)) {
    case 'plan':
      return { text: JSON.stringify({ steps }) };
    case 'judge':
      return { text: JSON.stringify(verdict) };
    case 'answer':
      return { text: 'a'.repeat(900_000) };
  }
}

async function played(body: SubmitRun, during?: (run: Run) => Promise<unknown>) {
  const run = await system.submit(body);
  await during?.(run);
  const { status, error } = await system.ended(run.id);
  await system.describe(run.id, status === 'failed' ? 'FAILED' : 'COMPLETED');
  return { status, code: error?.code ?? null, sizes: await historySizesOf(run.id) };
}

const largest = (parts: readonly Part[]) => Math.max(...parts.map(({ bytes }) => bytes));

/** That nothing is refused, and nothing is large but so many parts at most that name all steps of a plan: outlines, and results of a chain. */
function expectSmall({ events, payloads }: HistorySizes, naming_all: number): void {
  expect(events.filter(({ bytes }) => bytes >= REFUSED)).toEqual([]);
  const large = payloads.filter(({ bytes }) => bytes >= USUAL);
  expect(large.filter(({ bytes }) => bytes > OUTLINE + USUAL)).toEqual([]);
  expect(large.slice(naming_all)).toEqual([]);
}

describe('What Temporal keeps', () => {
  test('of a usual run is small, every part of it', async () => {
    const { status, sizes } = await played({
      goal: 'calculate 12 * 7 and 3 + 4, then add both results as todos',
    });
    expect(status).toBe('completed');
    expect(largest(sizes.payloads)).toBeLessThan(USUAL);
  });

  test('of the largest goal, plan, inputs, outputs, failures and answers of people is an outline, and small besides', async () => {
    const steps = largePlan();
    const answer = async ({ id }: Run) => {
      await eventually(async () => (await system.get(id)).status === 'waiting', { within_ms: 40_000 });
      const body = JSON.stringify({ outcome: 'done', output: 'x'.repeat(999_000), reason: long('r', 500) });
      const reply = await system.request(`/v1/runs/${id}/steps/${idOf(2)}/resolve`, { method: 'POST', body });
      expect(reply.status).toBeLessThan(300);
    };
    const { status, sizes } = await played(
      { goal: long('Carry this out.'), plan: { steps }, ...LABELS },
      answer,
    );
    expect(status).toBe('completed');
    expectSmall(sizes, 1);
    expect(largest(sizes.payloads)).toBeGreaterThan(OUTLINE / 2); // else the plan was none of the largest
  });

  test.each([
    ['of the largest plan, verdict and answer of models', 'Plan.', 'completed', null, 2],
    ['of plans that are rejected at length', 'Plan. Reject.', 'failed', 'plan_rejected', 3],
    ['of a model that fails at length', 'Plan. Fail.', 'failed', 'model_request_refused', 0],
  ])('%s is small', async (_, goal, status, code, naming_all) => {
    const { sizes, ...ending } = await played({ goal: long(goal), ...LABELS });
    expect(ending).toEqual({ status, code });
    expectSmall(sizes, naming_all);
  });

  test('of a run that is cancelled at length is small', async () => {
    const { status, sizes } = await played(
      { goal: long('Wait.'), plan: { steps: largePlan() } },
      async ({ id }) => {
        const body = JSON.stringify({ reason: long('r', 500) });
        await system.request(`/v1/runs/${id}/cancel`, { method: 'POST', body });
      },
    );
    expect(status).toBe('cancelled');
    expectSmall(sizes, 1);
  });
});
