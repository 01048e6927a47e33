import { A, commandLine, created, follows, run, stream } from '../../support/command-line';

const cli = commandLine();

describe('runs watch', () => {
  test('shows the run on stderr and prints the answer on stdout', async () => {
    cli.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) },
      follows(A, stream(created, ['run.completed', { answer: 'Said.' }])),
      { request: `GET /v1/runs/${A}`, reply: run(A, { answer: 'Said.\u001b[2J\n\tTwice.' }) },
    );
    expect(await cli.longhaul(['runs', 'watch', A])).toEqual({
      code: 0,
      out: 'Said.[2J\n\tTwice.\n',
      err: `✓ ${A} completed\n\n`,
    });
  });

  test('goes on behind the end of an attempt when the run was opened again', async () => {
    const failure = { code: 'tool_error', message: 'No.' } as const;
    cli.expect(
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
    expect(await cli.longhaul(['runs', 'watch', A, '-o', 'json'])).toMatchObject({
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
    cli.expect(
      { request: `GET /v1/runs/${A}`, reply: ended },
      follows(A, stream(created, ['run.cancelled', { reason: 'enough', actor: 'x' }])),
      { request: `GET /v1/runs/${A}`, reply: ended },
    );
    const watched = await cli.longhaul(['runs', 'watch', A]);
    expect(watched).toMatchObject({ code, out: '', err: expect.stringMatching(words) });
    expect(watched.err).toContain(`longhaul runs restart ${A}`);
  });

  test('Ctrl-C ends the following and says that the run goes on', async () => {
    const interruption = new AbortController();
    interruption.abort();
    cli.expect({ request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) });
    expect(await cli.longhaul(['runs', 'watch', A], { interruption })).toEqual({
      code: 130,
      out: '',
      err: `\n${A} goes on. \`longhaul runs watch ${A}\` follows it, \`longhaul runs cancel ${A}\` ends it.\n`,
    });
  });

  test('a stream that ends before the run did ends the following, not the run', async () => {
    cli.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) },
      follows(A, stream(created)),
    );
    expect(await cli.longhaul(['runs', 'watch', A])).toMatchObject({
      code: 7,
      err: expect.stringMatching(/ended before the run did\.\n.* goes on/),
    });
  });

  test.each([
    ['tool_error', 'The hint of one that is tried again is of no use'],
    ['tired', 'A code of a newer API'],
  ])('tells a failure %s without a hint: %s', async (code) => {
    const ended = run(A, { status: 'failed', answer: null, error: { code, message: 'No.' } });
    cli.expect({ request: `GET /v1/runs/${A}`, reply: ended });
    expect((await cli.longhaul(['runs', 'output', A])).err).toBe(
      `${A} failed\n${code}: No.\n\`longhaul runs restart ${A}\` runs what did not complete.\n`,
    );
  });

  test('a stream that is refused ends the following, not the run', async () => {
    cli.expect(
      { request: `GET /v1/runs/${A}`, reply: run(A, { status: 'running' }) },
      { ...follows(A, 'Gone.'), status: 410, type: 'text/plain' },
    );
    expect(await cli.longhaul(['runs', 'watch', A])).toMatchObject({
      code: 7,
      err: expect.stringMatching(/410: Gone\.\n.* goes on/),
    });
  });
});
