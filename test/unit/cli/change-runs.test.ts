import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { A, B, C, commandLine, created, follows, run, stream } from '../../support/command-line';

const cli = commandLine();

describe('runs cancel', () => {
  test('wishes it, and says what came of it', async () => {
    const request = `POST /v1/runs/${A}/cancel`;
    cli.expect({ request, body: { reason: 'enough' }, status: 202, reply: run(A, { status: 'cancelling' }) });
    expect(await cli.longhaul(['runs', 'cancel', A, '--reason', 'enough'])).toEqual({
      code: 0,
      out: '',
      err: `${A} is being cancelled.\n`,
    });
    cli.expect({ request, body: {}, reply: run(A) });
    expect((await cli.longhaul(['runs', 'cancel', A])).err).toBe(`${A} has ended: completed.\n`);
  });
});

const RERUN = {
  object: 'rerun',
  origin: { type: 'restart', run_id: A, from: 'failed' },
  planning: 'reused',
  steps: [
    {
      id: 'one',
      tool: 'calculator',
      tool_version: '1.0.0',
      action: 'reuse',
      because: 'completed',
      last_status: 'completed',
      last_duration_ms: 3,
    },
    {
      id: 'two',
      tool: 'shop.buy',
      tool_version: '2.0.0',
      action: 'run',
      because: 'depends',
      last_status: null,
      last_duration_ms: null,
    },
  ],
  missing: [{ step_id: 'two', tool: 'shop.buy', version: '2.0.0', detail: 'There is none.' }],
  last: { duration_ms: 3, model_calls: 2, tokens: 1_200, cost_usd: 0.02 },
};

describe('runs restart', () => {
  const request = `POST /v1/runs/${A}/restart`;
  const restarted = run(B, {
    status: 'queued',
    answer: null,
    origin: { type: 'restart', run_id: A, from: 'failed' },
  });

  test('prints the id of the new run', async () => {
    cli.expect({ request, body: { from: 'failed' }, status: 201, reply: restarted });
    expect(await cli.longhaul(['runs', 'restart', A])).toEqual({
      code: 0,
      out: `${B}\n`,
      err: `${B} is a restart of ${A} from failed.\n\`longhaul runs watch ${B}\` follows it.\n`,
    });
  });

  test('sends what it is given, and follows the new run', async () => {
    cli.expect(
      {
        request,
        body: { from: 'two', reason: 'fixed' },
        headers: { 'idempotency-key': 'k1' },
        status: 201,
        reply: restarted,
      },
      follows(B, stream(created, ['run.completed', { answer: 'Said.' }])),
      { request: `GET /v1/runs/${B}`, reply: run(B) },
    );
    const args = ['--from', 'two', '--reason', 'fixed', '--idempotency-key', 'k1', '--watch'];
    const { code, out, err } = await cli.longhaul(['runs', 'restart', A, ...args]);
    expect([code, out]).toEqual([0, `${B}\n`]);
    expect(err).toMatch(/completed\n\nSaid\.\n$/);
  });

  test('only says what it would do', async () => {
    cli.expect({ request: `${request}?dry_run=true`, body: { from: 'failed' }, reply: RERUN });
    expect(await cli.longhaul(['runs', 'restart', A, '--dry-run'])).toEqual({
      code: 0,
      out: [
        'STEP  TOOL              ACTION  BECAUSE                 LAST TIME  TOOK',
        'one   calculator@1.0.0  reuse   completed               completed  3 ms',
        'two   shop.buy@2.0.0    run     needs a step that runs  -          -',
        '',
      ].join('\n'),
      err: [
        `It would be a restart of ${A} from failed. Its plan is taken over.`,
        'Missing for two: shop.buy@2.0.0. There is none.',
        'Without what is missing it is refused.',
        'What would be repeated took 3 ms and 2 model calls of 1200 tokens for $0.02 last time.',
        '',
      ].join('\n'),
    });
    cli.expect({ request: `${request}?dry_run=true`, body: { from: 'failed' }, reply: RERUN });
    const { out } = await cli.longhaul(['runs', 'restart', A, '--dry-run', '-o', 'json']);
    expect(JSON.parse(out)).toEqual(RERUN);
  });
});

describe('runs fork', () => {
  test('sends its edits', async () => {
    const plan = { steps: [{ id: 'one', tool: 'calculator', input: { expression: '1' } }] };
    const file = join(cli.home, 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const forked = run(C, { origin: { type: 'fork', run_id: A, from: 'start' } });
    cli.expect(
      {
        request: `POST /v1/runs/${A}/fork`,
        body: { at: 'start', goal: 'Sing it.', plan, model: 'large', reason: 'why not' },
        status: 201,
        reply: forked,
      },
      {
        request: `POST /v1/runs/${A}/fork`,
        body: { at: 'two', step_input: { expression: '2' } },
        status: 201,
        reply: forked,
      },
    );
    const edits = ['--goal', 'Sing it.', '--plan', file, '--model', 'large', '--reason', 'why not'];
    const first = await cli.longhaul(['runs', 'fork', A, '--at', 'start', ...edits]);
    expect(first).toMatchObject({
      code: 0,
      out: `${C}\n`,
      err: expect.stringContaining(`fork of ${A} at start`),
    });
    const second = ['--at', 'two', '--step-input', '{"expression":"2"}'];
    expect((await cli.longhaul(['runs', 'fork', A, ...second])).out).toBe(`${C}\n`);
  });
});

describe('runs resolve', () => {
  test.each([
    [['--outcome', 'done', '--output', '{"id":7}'], { outcome: 'done', output: { id: 7 }, reason: 'seen' }],
    [['--outcome', 'not-done'], { outcome: 'not_done', reason: 'seen' }],
  ])('%j says whether it happened', async (args, body) => {
    cli.expect({ request: `POST /v1/runs/${A}/steps/pay/resolve`, body, reply: {} });
    const { code, out, err } = await cli.longhaul(['runs', 'resolve', A, 'pay', ...args, '--reason', 'seen']);
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain(
      `pay ${body.outcome === 'done' ? 'counts as done' : 'is tried again'}, and ${A} goes on`,
    );
  });
});
