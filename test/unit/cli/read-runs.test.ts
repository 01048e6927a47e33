import { A, B, C, commandLine, page, run, step } from '../../support/command-line';

const cli = commandLine();

describe('runs list', () => {
  test('is a table of the newest', async () => {
    const restart = { type: 'restart', run_id: A, from: 'failed' };
    cli.expect({
      request: 'GET /v1/runs?limit=20',
      reply: page([
        run(B, { origin: restart, status: 'running', goal: 'Say\n\u001b[2Jit.' }),
        run(A, { status: 'failed', superseded_by: B }),
      ]),
    });
    expect(await cli.longhaul(['runs', 'list'])).toEqual({
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

  test('says when there are more than were asked for', async () => {
    cli.expect({ request: 'GET /v1/runs?limit=1', reply: page([run(A)], true) });
    const { out, err } = await cli.longhaul(['runs', 'list', '--limit', '1']);
    expect(out.trimEnd().split('\n')).toHaveLength(2);
    expect(err).toContain('There are more');
  });

  test('asks for what is wanted, page by page', async () => {
    const filter = `status=failed%2Ctimed_out&tag=a+b&origin=fork&root_run_id=${A}`;
    const hundred = Array.from({ length: 100 }, () => run(B));
    cli.expect(
      { request: `GET /v1/runs?${filter}&limit=100`, reply: page(hundred, true) },
      { request: `GET /v1/runs?${filter}&limit=20&after=${B}`, reply: page([run(C)]) },
    );
    const args = ['--status', 'failed,timed_out', '--tag', 'a b', '--origin', 'fork', '--root', A];
    const { code, out } = await cli.longhaul(['runs', 'list', ...args, '--limit', '120', '-o', 'json']);
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
    cli.expect(
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
    expect(await cli.longhaul(['runs', 'show', B])).toEqual({
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

  test('draws a lineage whose first run is gone', async () => {
    const fork = (run_id: string) => ({ origin: { type: 'fork', run_id, from: 'start' } });
    cli.expect(
      { request: `GET /v1/runs/${C}?expand%5B%5D=plan%2Csteps`, reply: run(C, fork(B)) },
      {
        request: `GET /v1/runs?root_run_id=${A}&sort=created_at&limit=100`,
        reply: page([run(B, fork(A)), run(C, fork(B))]),
      },
    );
    const { out } = await cli.longhaul(['runs', 'show', C]);
    expect(out).toMatch(new RegExp(`\nLineage\n  └─ ${B} .* fork at start\n     └─ ${C} .*this one\\)\n`));
  });

  test('tells what a run waits for, and the two commands that answer it', async () => {
    const waiting = run(A, {
      status: 'waiting',
      phase: 'executing',
      answer: null,
      finished_at: null,
      plan: { version: 1 },
      steps: [
        step('pay', {
          status: 'waiting',
          status_reason: 'Was it paid?',
          output: null,
          failure: { code: 'outcome_unknown', message: 'Nobody knows.' },
        }),
      ],
    });
    cli.expect(
      { request: `GET /v1/runs/${A}?expand%5B%5D=plan%2Csteps`, reply: waiting },
      { request: `GET /v1/runs?root_run_id=${A}&sort=created_at&limit=100`, reply: page([waiting]) },
    );
    const { out, code } = await cli.longhaul(['runs', 'show', A]);
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

describe('runs output', () => {
  test('is the answer and nothing else', async () => {
    cli.expect({ request: `GET /v1/runs/${A}`, reply: run(A) });
    expect(await cli.longhaul(['runs', 'output', A])).toEqual({ code: 0, out: 'Said.\n', err: '' });
    cli.expect({ request: `GET /v1/runs/${A}`, reply: run(A) });
    const { out } = await cli.longhaul(['runs', 'output', A, '-o', 'json']);
    expect(JSON.parse(out)).toEqual({ id: A, status: 'completed', answer: 'Said.' });
  });

  test.each([
    ['running', 7, 'has not ended'],
    ['failed', 3, 'failed'],
    ['cancelled', 5, 'cancelled'],
  ])('says so of a run that is %s', async (status, code, words) => {
    cli.expect({ request: `GET /v1/runs/${A}`, reply: run(A, { status, answer: null }) });
    const { out, ...ended } = await cli.longhaul(['runs', 'output', A]);
    expect([out, ended]).toEqual(['', { code, err: expect.stringContaining(words) }]);
  });
});
