import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeStackNote } from '../../../src/dev/stack-note';
import { A, commandLine, KEY, page, problem } from '../../support/command-line';

const cli = commandLine();

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
    cli.expect({ request, body: {}, status, reply: problem(code, 'No.', { title: 'No' }) });
    expect(await cli.longhaul(cancel)).toEqual({ code: exit, out: '', err: 'No: It is so.\nDo that.\n' });
  });

  test('is told with each wrong part, and without what could steer a terminal', async () => {
    const errors = [
      { pointer: '/plan/steps/0/tool', code: 'unknown_tool', detail: 'There is no a\u001b[2Jb.' },
      { pointer: '/plan/steps/1/id', code: 'duplicate_id', detail: 'There is another one.' },
    ];
    cli.expect({
      request,
      body: {},
      status: 422,
      reply: problem('invalid_plan', 'The plan is bad', { errors }),
    });
    expect((await cli.longhaul(cancel)).err).toBe(
      'The plan is bad: It is so.\n  /plan/steps/0/tool: There is no a[2Jb.\n' +
        '  /plan/steps/1/id: There is another one.\nDo that.\n',
    );
  });

  test('leads to the log where the fault is on the side of the API', async () => {
    cli.expect({ request, body: {}, status: 500, reply: problem('internal', 'Bad') });
    expect((await cli.longhaul(cancel)).err).toContain('Request req_1.');
  });

  test.each([
    [200, '<html>'],
    [502, '<html>'],
    [404, '{"message":"no"}'],
  ])('a %i that is no reply of a Longhaul API is said to be none', async (status, reply) => {
    cli.expect({ request, body: {}, status, reply, type: 'text/html' });
    expect(await cli.longhaul(cancel)).toMatchObject({
      code: 1,
      err: expect.stringMatching(new RegExp(`answered ${status}: .*\nIs LONGHAUL_API_URL the address`)),
    });
  });

  test('a redirect is not followed: the key is for one address', async () => {
    cli.expect({
      request,
      body: {},
      status: 307,
      reply: '',
      reply_headers: { location: `${cli.api_url}/elsewhere` },
    });
    expect(await cli.longhaul(cancel)).toMatchObject({ code: 1, err: expect.stringContaining('redirect') });
  });

  test('an API that is not there: what to type', async () => {
    const away = { LONGHAUL_API_URL: 'http://127.0.0.1:1', LONGHAUL_API_KEY: KEY };
    expect(await cli.longhaul(cancel, { env: away })).toEqual({
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
    const ended = await cli.longhaul(args.split(' '));
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(words);
  });

  test.each([
    [{}, 'LONGHAUL_API_KEY is not set'],
    [{ LONGHAUL_API_URL: 'http://127.0.0.1:1' }, 'LONGHAUL_API_KEY is not set'],
    [{ LONGHAUL_API_URL: 'localhost:3000', LONGHAUL_API_KEY: KEY }, 'LONGHAUL_API_URL: must be an address'],
    [{ LONGHAUL_API_KEY: 'a b' }, 'LONGHAUL_API_KEY: must be a key'],
  ])('the settings %j', async (env, words) => {
    const ended = await cli.longhaul(['runs', 'list'], { env });
    expect(ended).toMatchObject({ code: 2, out: '' });
    expect(ended.err).toContain(words);
    expect(ended.err).not.toContain(KEY);
  });
});

describe('Without settings', () => {
  afterEach(() => rmSync(join(cli.home, 'stack.json')));

  test('the stack that runs on this machine is used', async () => {
    writeStackNote(cli.home, { api_url: cli.api_url, key: KEY });
    cli.expect({ request: 'GET /v1/runs?limit=20', reply: page([]) });
    expect(await cli.longhaul(['runs', 'list'], { env: {} })).toMatchObject({ code: 0, err: '' });
    // Who says which API is meant never ends up at another one.
    const elsewhere = await cli.longhaul(['runs', 'list'], {
      env: { LONGHAUL_API_URL: 'http://127.0.0.1:1' },
    });
    expect(elsewhere).toMatchObject({ code: 2, err: expect.stringContaining('LONGHAUL_API_KEY is not set') });
  });
});
