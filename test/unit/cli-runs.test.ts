import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../src/cli/program';
import type { EventData, EventType } from '../../src/contracts/event';
import { scriptedApi, type ScriptedApi } from '../support/scripted-api';

const KEY = 'lh_key_of_this_test';
const [A, B, C] = ['A', 'B', 'C'].map((letter) => `run_01K8Z5V7N2D3M4P5Q6R7S8T9V${letter}`) as [
  string,
  string,
  string,
];
const plain = (text: string) => text;
const PAINT = { green: plain, red: plain, yellow: plain, cyan: plain, dim: plain, bold: plain };

let api: ScriptedApi;
let home: string;
beforeAll(async () => {
  api = await scriptedApi(KEY);
  home = mkdtempSync(join(tmpdir(), 'longhaul-cli-'));
});
afterEach(() => api.finish());
afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await api.close();
});

/** Runs the command line in this process. */
async function longhaul(
  args: string[],
  env: Record<string, string> = { LONGHAUL_API_URL: api.url, LONGHAUL_API_KEY: KEY },
  interruption = new AbortController(),
) {
  let [out, err] = ['', ''];
  const code = await runProgram(args, {
    env: { LONGHAUL_HOME: home, ...env },
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    screen: { write: (text) => (err += text), redraws: false, columns: 80, rows: 24, paint: PAINT },
    interruption: () => interruption.signal,
  });
  return { code, out, err };
}

const run = (id: string, more: object = {}) => ({
  id,
  object: 'run',
  created_at: '2026-01-31T12:00:00.000Z',
  finished_at: '2026-01-31T12:00:01.000Z',
  status: 'completed',
  phase: null,
  status_reason: null,
  goal: 'Say it.',
  answer: 'Said.',
  error: null,
  progress: { steps_total: 2, steps_done: 2, plan_version: 1, rounds: 1 },
  usage: { input_tokens: 0, output_tokens: 0, cost_usd: 0 },
  origin: { type: 'api', run_id: null, from: null },
  root_run_id: A,
  superseded_by: null,
  ...more,
});
const step = (id: string, more: object = {}) => ({
  object: 'step',
  id,
  tool: 'calculator',
  tool_version: '1.0.0',
  status: 'completed',
  status_reason: null,
  output: { value: 84 },
  failure: null,
  tries: 0,
  reused: false,
  ...more,
});
const page = (data: { id: string }[], has_more = false) => ({
  object: 'list',
  data,
  has_more,
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
});
/** The events of a run as a stream that has its end. */
function stream(...events: { [T in EventType]: [T, EventData[T], step_id?: string] }[EventType][]): string {
  const frames = events.map(([type, data, step_id], place) => {
    const event = { id: `evt_${place}`, seq: place + 1, type, run_id: A, attempt: 1, v: 1, step_id, data };
    return `id: ${place + 1}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
  });
  return `${frames.join('')}event: stream.end\ndata: {}\n\n`;
}
const SSE = { accept: 'text/event-stream' };
const follows = (id: string, reply: string) => ({
  request: `GET /v1/runs/${id}/events`,
  headers: SSE,
  type: 'text/event-stream',
  reply,
});
const created: [type: 'run.created', EventData['run.created']] = [
  'run.created',
  { run: { id: A, goal: 'Say it.', user: null, status: 'queued', created_at: '2026-01-31T12:00:00.000Z' } },
];
const problem = (code: string, title: string, more: object = {}) => ({
  code,
  title,
  detail: 'It is so.',
  hint: 'Do that.',
  errors: [],
  request_id: 'req_1',
  ...more,
});

describe('runs list', () => {
  test('is a table of the newest', async () => {
    const restart = { type: 'restart', run_id: A, from: 'failed' };
    api.expect({
      request: 'GET /v1/runs?limit=20',
      reply: page([
        run(B, { origin: restart, status: 'running', goal: 'Say\n\u001b[2Jit.' }),
        run(A, { status: 'failed', superseded_by: B }),
      ]),
    });
    expect(await longhaul(['runs', 'list'])).toEqual({
      code: 0,
      out: [
        'ID                              STATUS              CREATED                   ORIGIN   STEPS  GOAL',
        `${B}  running             2026-01-31T12:00:00.000Z  restart  2/2    Say [2Jit.`,
        `${A}  failed, superseded  2026-01-31T12:00:00.000Z  api      2/2    Say it.`,
        '',
      ].join('\n'),
      err: '',
    });
  });

  test('asks for what is wanted, page by page', async () => {
    const filter = `status=failed%2Ctimed_out&tag=a+b&origin=fork&root_run_id=${A}`;
    const hundred = Array.from({ length: 100 }, () => run(B));
    api.expect(
      { request: `GET /v1/runs?${filter}&limit=100`, reply: page(hundred, true) },
      { request: `GET /v1/runs?${filter}&limit=20&after=${B}`, reply: page([run(C)]) },
    );
    const args = ['--status', 'failed,timed_out', '--tag', 'a b', '--origin', 'fork', '--root', A];
    const { code, out } = await longhaul(['runs', 'list', ...args, '--limit', '120', '-o', 'json']);
    expect(code).toBe(0);
    expect((JSON.parse(out) as unknown[]).length).toBe(101);
  });
});

describe('runs show', () => {
  test('tells how a failed run stands, what its steps led to and which runs are of its lineage', async () => {
    const failure = {
      code: 'step_failed',
      message: 'Step two failed.',
      step_id: 'two',
      cause: { code: 'division_by_zero', message: '1 / 0' },
    };
    const steps = [
      step('one', { reused: true }),
      step('two', { status: 'failed', output: null, failure: failure.cause, tries: 3 }),
      step('three', { status: 'skipped', output: null, status_reason: 'two failed' }),
    ];
    const shown = run(B, {
      status: 'failed',
      answer: null,
      error: failure,
      origin: { type: 'restart', run_id: A, from: 'failed' },
      superseded_by: C,
      plan: { version: 1 },
      steps,
    });
    api.expect(
      { request: `GET /v1/runs/${B}?expand%5B%5D=plan%2Csteps`, reply: shown },
      {
        request: `GET /v1/runs?root_run_id=${A}&sort=created_at&limit=100`,
        reply: page([
          run(A, { superseded_by: B }),
          run(B, shown),
          run(C, { origin: { type: 'fork', run_id: A, from: 'one' } }),
        ]),
      },
    );
    expect(await longhaul(['runs', 'show', B])).toEqual({
      code: 0,
      out: `Run         ${B}
Status      failed
Error       step_failed (two): Step two failed.
            division_by_zero: 1 / 0
            Guard the step with a condition on the divisor.
Goal        Say it.
Created     2026-01-31T12:00:00.000Z, ended 2026-01-31T12:00:01.000Z
Origin      restart of ${A} from failed
Root        ${A}
Superseded  by ${C}

Steps of plan 1
  STEP   TOOL              STATUS     REUSED  FAILED TRIES  SAID
  one    calculator@1.0.0  completed  yes     0             84
  two    calculator@1.0.0  failed             3             division_by_zero: 1 / 0
  three  calculator@1.0.0  skipped            0             two failed

Lineage
  └─ ${A}  completed  2026-01-31T12:00:00.000Z  submit  (superseded)
     ├─ ${B}  failed  2026-01-31T12:00:00.000Z  restart from failed  (superseded, this one)
     └─ ${C}  completed  2026-01-31T12:00:00.000Z  fork at one
`,
      err: '',
    });
  });

  test('tells what a run waits for, and the two commands that answer it', async () => {
    const asked = (question: string) => ({
      type: 'step.needs_attention',
      step_id: 'pay',
      data: { attempt: 1, question, failure: { code: 'outcome_unknown', message: 'Nobody knows.' } },
    });
    const waiting = run(A, {
      status: 'waiting',
      phase: 'executing',
      answer: null,
      finished_at: null,
      plan: { version: 1 },
      steps: [step('pay', { status: 'waiting', output: null })],
    });
    api.expect(
      { request: `GET /v1/runs/${A}?expand%5B%5D=plan%2Csteps`, reply: waiting },
      {
        request: `GET /v1/runs/${A}/events?types=step.needs_attention&after=0&limit=500`,
        reply: {
          data: [asked('Was it paid, at first?'), asked('Was it paid?')],
          has_more: false,
          position: 9,
        },
      },
      { request: `GET /v1/runs?root_run_id=${A}&sort=created_at&limit=100`, reply: page([waiting]) },
    );
    const { out, code } = await longhaul(['runs', 'show', A]);
    expect(code).toBe(0);
    expect(out).toContain(`
Waits for an answer
  pay: Was it paid?
    outcome_unknown: Nobody knows.
    It was done:  longhaul runs resolve ${A} pay --outcome done --reason '…'
    It was not:   longhaul runs resolve ${A} pay --outcome not-done --reason '…'
`);
    expect(out).not.toContain('Lineage');
  });
});

describe('runs watch', () => {
  test('shows the run on stderr and prints the answer on stdout', async () => {
    api.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) },
      follows(A, stream(created, ['run.completed', { answer: 'Said.' }])),
      { request: `GET /v1/runs/${A}`, reply: run(A, { answer: 'Said.\u001b[2J\n\tTwice.' }) },
    );
    expect(await longhaul(['runs', 'watch', A])).toEqual({
      code: 0,
      out: 'Said.[2J\n\tTwice.\n',
      err: `✓ ${A} completed\n`,
    });
  });

  test('goes on behind the end of an attempt when the run was opened again', async () => {
    const failure = { code: 'tool_error', message: 'No.' } as const;
    api.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A) },
      follows(
        A,
        stream(
          created,
          ['run.failed', { failure }],
          ['run.reopened', { attempt: 2, actor: 'temporal' }],
          ['run.completed', { answer: 'Said.' }],
        ),
      ),
      { request: `GET /v1/runs/${A}`, reply: run(A) },
    );
    expect(await longhaul(['runs', 'watch', A, '-o', 'json'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\{\n {2}"id": "run_/),
      err: expect.stringContaining('✗'),
    });
  });

  test.each([
    ['failed', 3, { code: 'goal_not_understood', message: 'What?' }, /What\?\nWithout a language model/],
    ['timed_out', 3, null, /ran out of time/],
    ['cancelled', 5, null, /was cancelled: enough/],
  ])('a run that %s ends it with %i', async (status, code, error, words) => {
    const ended = run(A, { status, answer: null, error, status_reason: 'enough' });
    api.expect(
      { request: `GET /v1/runs/${A}`, reply: ended },
      follows(A, stream(created, ['run.cancelled', { reason: 'enough', actor: 'x' }])),
      { request: `GET /v1/runs/${A}`, reply: ended },
    );
    const watched = await longhaul(['runs', 'watch', A]);
    expect(watched).toMatchObject({ code, out: '', err: expect.stringMatching(words) });
    expect(watched.err).toContain(`longhaul runs restart ${A}`);
  });

  test('Ctrl-C ends the following and says that the run goes on', async () => {
    const interruption = new AbortController();
    interruption.abort();
    api.expect({ request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) });
    expect(await longhaul(['runs', 'watch', A], undefined, interruption)).toEqual({
      code: 130,
      out: '',
      err: `\n${A} goes on. \`longhaul runs watch ${A}\` follows it, \`longhaul runs cancel ${A}\` ends it.\n`,
    });
  });

  test('a stream that is refused ends the following, not the run', async () => {
    api.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) },
      { ...follows(A, 'Gone.'), status: 410, type: 'text/plain' },
    );
    expect(await longhaul(['runs', 'watch', A])).toMatchObject({
      code: 7,
      err: expect.stringMatching(/410: Gone\.\n.* goes on/),
    });
  });
});

describe('runs output', () => {
  test('is the answer and nothing else', async () => {
    api.expect({ request: `GET /v1/runs/${A}`, reply: run(A) });
    expect(await longhaul(['runs', 'output', A])).toEqual({ code: 0, out: 'Said.\n', err: '' });
    api.expect({ request: `GET /v1/runs/${A}`, reply: run(A) });
    const { out } = await longhaul(['runs', 'output', A, '-o', 'json']);
    expect(JSON.parse(out)).toEqual({ id: A, status: 'completed', answer: 'Said.' });
  });

  test.each([
    ['running', 7, 'has not ended'],
    ['failed', 3, 'failed'],
    ['cancelled', 5, 'cancelled'],
  ])('says so of a run that is %s', async (status, code, words) => {
    api.expect({ request: `GET /v1/runs/${A}`, reply: run(A, { status, answer: null }) });
    const { out, ...ended } = await longhaul(['runs', 'output', A]);
    expect([out, ended]).toEqual(['', { code, err: expect.stringContaining(words) }]);
  });
});

describe('runs cancel', () => {
  test('wishes it, and says what came of it', async () => {
    const request = `POST /v1/runs/${A}/cancel`;
    api.expect({ request, body: { reason: 'enough' }, status: 202, reply: run(A, { status: 'cancelling' }) });
    expect(await longhaul(['runs', 'cancel', A, '--reason', 'enough'])).toEqual({
      code: 0,
      out: '',
      err: `${A} is being cancelled.\n`,
    });
    api.expect({ request, body: {}, reply: run(A) });
    expect((await longhaul(['runs', 'cancel', A])).err).toBe(`${A} has ended: completed.\n`);
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
    api.expect({ request, body: { from: 'failed' }, status: 201, reply: restarted });
    expect(await longhaul(['runs', 'restart', A])).toEqual({
      code: 0,
      out: `${B}\n`,
      err: `${B} is a restart of ${A} from failed.\n\`longhaul runs watch ${B}\` follows it.\n`,
    });
  });

  test('sends what it is given, and follows the new run', async () => {
    api.expect(
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
    const { code, out, err } = await longhaul(['runs', 'restart', A, ...args]);
    expect([code, out]).toEqual([0, `${B}\n`]);
    expect(err).toMatch(/completed\n\nSaid\.\n$/);
  });

  test('only says what it would do', async () => {
    api.expect({ request: `${request}?dry_run=true`, body: { from: 'failed' }, reply: RERUN });
    expect(await longhaul(['runs', 'restart', A, '--dry-run'])).toEqual({
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
    api.expect({ request: `${request}?dry_run=true`, body: { from: 'failed' }, reply: RERUN });
    const { out } = await longhaul(['runs', 'restart', A, '--dry-run', '-o', 'json']);
    expect(JSON.parse(out)).toEqual(RERUN);
  });
});

describe('runs fork', () => {
  test('sends its edits', async () => {
    const plan = { steps: [{ id: 'one', tool: 'calculator', input: { expression: '1' } }] };
    const file = join(home, 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const forked = run(C, { origin: { type: 'fork', run_id: A, from: 'start' } });
    api.expect(
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
    const first = await longhaul(['runs', 'fork', A, '--at', 'start', ...edits]);
    expect(first).toMatchObject({
      code: 0,
      out: `${C}\n`,
      err: expect.stringContaining(`fork of ${A} at start`),
    });
    const second = ['--at', 'two', '--step-input', '{"expression":"2"}'];
    expect((await longhaul(['runs', 'fork', A, ...second])).out).toBe(`${C}\n`);
  });
});

describe('runs resolve', () => {
  test.each([
    [['--outcome', 'done', '--output', '{"id":7}'], { outcome: 'done', output: { id: 7 }, reason: 'seen' }],
    [['--outcome', 'not-done'], { outcome: 'not_done', reason: 'seen' }],
  ])('%j says whether it happened', async (args, body) => {
    api.expect({ request: `POST /v1/runs/${A}/steps/pay/resolve`, body, reply: {} });
    const { code, out, err } = await longhaul(['runs', 'resolve', A, 'pay', ...args, '--reason', 'seen']);
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain(
      `pay ${body.outcome === 'done' ? 'counts as done' : 'is tried again'}, and ${A} goes on`,
    );
  });
});

describe('What the API refuses', () => {
  const cancel = ['runs', 'cancel', A];
  const request = `POST /v1/runs/${A}/cancel`;

  test.each([
    [400, 'invalid_request', 2],
    [422, 'invalid_plan', 2],
    [401, 'unauthorized', 4],
    [403, 'forbidden', 4],
    [404, 'not_found', 1],
    [409, 'run_not_terminal', 1],
    [429, 'too_many_requests', 1],
  ])('a %i %s ends a command with %i', async (status, code, exit) => {
    api.expect({ request, body: {}, status, reply: problem(code, 'No.', { title: 'No' }) });
    expect(await longhaul(cancel)).toEqual({ code: exit, out: '', err: 'No: It is so.\nDo that.\n' });
  });

  test('is told with each wrong part, and without what could steer a terminal', async () => {
    const errors = [
      { pointer: '/plan/steps/0/tool', code: 'unknown_tool', detail: 'There is no a\u001b[2Jb.' },
      { pointer: '/plan/steps/1/id', code: 'duplicate_id', detail: 'There is another one.' },
    ];
    api.expect({
      request,
      body: {},
      status: 422,
      reply: problem('invalid_plan', 'The plan is bad', { errors }),
    });
    expect((await longhaul(cancel)).err).toBe(
      'The plan is bad: It is so.\n  /plan/steps/0/tool: There is no a[2Jb.\n' +
        '  /plan/steps/1/id: There is another one.\nDo that.\n',
    );
  });

  test('leads to the log where the fault is on the side of the API', async () => {
    api.expect({ request, body: {}, status: 500, reply: problem('internal', 'Bad') });
    expect((await longhaul(cancel)).err).toContain('Request req_1.');
  });

  test.each([
    [200, '<html>'],
    [502, '<html>'],
    [404, '{"message":"no"}'],
  ])('a %i that is no reply of a Longhaul API is said to be none', async (status, reply) => {
    api.expect({ request, body: {}, status, reply, type: 'text/html' });
    expect(await longhaul(cancel)).toMatchObject({
      code: 1,
      err: expect.stringMatching(new RegExp(`answered ${status}: .*\nIs LONGHAUL_API_URL the address`)),
    });
  });

  test('a redirect is not followed: the key is for one address', async () => {
    api.expect({
      request,
      body: {},
      status: 307,
      reply: '',
      reply_headers: { location: `${api.url}/elsewhere` },
    });
    expect(await longhaul(cancel)).toMatchObject({ code: 1, err: expect.stringContaining('redirect') });
  });

  test('an API that is not there: what to type', async () => {
    const away = { LONGHAUL_API_URL: 'http://127.0.0.1:1', LONGHAUL_API_KEY: KEY };
    expect(await longhaul(cancel, away)).toEqual({
      code: 1,
      out: '',
      err: expect.stringMatching(
        /^The API at http:\/\/127\.0\.0\.1:1 cannot be reached: .+\.\n.*npm start.*LONGHAUL_API_URL/,
      ),
    });
  });
});

describe('Wrong use', () => {
  test.each([
    ['runs', 'Usage'],
    ['runs show', 'id'],
    ['runs show run_1', 'like run_01'],
    ['runs show ../api-keys', 'like run_01'],
    ['runs list --status done', 'is no status'],
    ['runs list --origin clone', 'api, restart, fork'],
    ['runs list --root x', 'like run_01'],
    ['runs list --limit 0', 'whole number from 1'],
    ['runs list --limit 10001', 'whole number from 1'],
    ['runs list -o yaml', 'text, json'],
    [`runs fork ${A}`, '--at'],
    [`runs fork ${A} --at one --step-input {`, 'not JSON'],
    [`runs fork ${A} --at start --plan /nowhere.json`, 'cannot be read'],
    [`runs fork ${A} --at start --model huge`, 'small, medium, large'],
    [`runs restart ${A} --dry-run --watch`, 'cannot be used with'],
    [`runs restart ${A} --dry-run --idempotency-key k`, 'cannot be used with'],
    [`runs resolve ${A} pay --outcome done`, '--reason'],
    [`runs resolve ${A} pay --reason x`, '--outcome'],
    [`runs resolve ${A} pay --outcome maybe --reason x`, 'done, not-done'],
    [`runs resolve ${A} ../x --outcome done --reason x`, 'like step_2'],
    [`runs resolve ${A} pay --outcome done --reason x --output {`, 'not JSON'],
  ])('"longhaul %s" asks the API nothing', async (args, words) => {
    const ended = await longhaul(args.split(' '));
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(words);
  });

  test.each([
    [{}, 'LONGHAUL_API_KEY is not set'],
    [{ LONGHAUL_API_URL: 'http://127.0.0.1:1' }, 'LONGHAUL_API_KEY is not set'],
    [{ LONGHAUL_API_URL: 'localhost:3000', LONGHAUL_API_KEY: KEY }, 'LONGHAUL_API_URL: must be an address'],
    [{ LONGHAUL_API_KEY: 'a b' }, 'LONGHAUL_API_KEY: must be a key'],
  ])('the settings %j', async (env, words) => {
    const ended = await longhaul(['runs', 'list'], env);
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(words);
    expect(ended.err).not.toContain(KEY);
  });
});
