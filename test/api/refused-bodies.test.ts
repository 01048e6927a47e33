import { gzipSync } from 'node:zlib';
import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';

let api: ApiServer;
let runs_before: number;
const runs = async () => {
  const [row] = await api.database.db.query<{ n: number }>('select count(*)::int as n from runs');
  return row!.n;
};
beforeAll(async () => (api = await startApiServer()));
beforeEach(async () => (runs_before = await runs()));
afterAll(() => api.stop());

const send = (body: unknown, headers: Record<string, string | null> = {}) =>
  api.request('/v1/runs', { method: 'POST', body, headers });
const refused = async (body: unknown, ...pointers: string[]) => {
  const problem = await problemIn(await send(body), 'invalid_request', { pointers });
  expect(await runs()).toBe(runs_before);
  return problem;
};

describe('body that is no JSON object', () => {
  test.each([
    ['text', 'hello'],
    ['half an object', '{"goal":"a"'],
    ['two objects', '{"goal":"a"}{"goal":"b"}'],
    ['a string', '"goal"'],
    ['a number', '7'],
    ['null', 'null'],
    ['a comment', '{"goal":"a"} // really'],
    ['NaN', '{"goal":"a","budget":{"max_steps":NaN}}'],
    [
      'UTF-8 that is none',
      Buffer.from([0x7b, 0x22, 0x67, 0x6f, 0x61, 0x6c, 0x22, 0x3a, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
    ],
    ['an overlong encoding', Buffer.from('{"goal":"\xc0\x80"}', 'latin1')],
    ['UTF-16', Buffer.from('{"goal":"a"}', 'utf16le')],
  ])('is refused: %s', async (_what, body) => {
    await problemIn(await send(body), 'invalid_json');
    expect(await runs()).toBe(runs_before);
  });

  test('is refused: an array, and nothing at all', async () => {
    await refused([], '');
    await refused([{ goal: 'a' }], '');
    await refused(undefined, '/goal');
    await refused('', '/goal');
  });

  test('is refused when it is nested 33 levels, and taken to be read at 32', async () => {
    const nested = (levels: number) => `{"goal":"a","x":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    await problemIn(await send(nested(33)), 'too_deep');
    await problemIn(await send(nested(32)), 'invalid_request', { pointers: ['/x'] });
    await problemIn(await send('['.repeat(500_000)), 'too_deep');
    await problemIn(await send('{"a":'.repeat(150_000)), 'too_deep');
  });

  test('may hold brackets and escaped quotes in its texts', async () => {
    expect((await send({ goal: `${'['.repeat(100)} \\" {{{{ \\` })).status).toBe(202);
  });

  test('is refused above 1 MB, also when its length is not said and when it is packed', async () => {
    const large = JSON.stringify({ goal: 'a', pad: 'x'.repeat(1_000_000) });
    await problemIn(await send(large), 'body_too_large');
    await problemIn(await send(gzipSync(large), { 'content-encoding': 'gzip' }), 'body_too_large');
    const stream = new Blob([large]).stream();
    const chunked = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { authorization: `Bearer ${api.keys.own}`, 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    } as RequestInit);
    await problemIn(chunked, 'body_too_large');
  });

  test('is refused when it is packed and broken, or packed in a way that is not known', async () => {
    await problemIn(await send('no gzip', { 'content-encoding': 'gzip' }), 'invalid_json');
    const half = gzipSync('{"goal":"a"}').subarray(0, 15);
    await problemIn(await send(half, { 'content-encoding': 'gzip' }), 'invalid_json');
    await problemIn(await send('{}', { 'content-encoding': 'zip' }), 'unsupported_media_type');
    expect((await send(gzipSync('{"goal":"a"}'), { 'content-encoding': 'gzip' })).status).toBe(202);
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/json; charset=latin1',
    'garbage',
    null,
  ])('is refused as %s', async (type) => {
    const bytes = Buffer.from('{"goal":"a"}');
    await problemIn(await send(bytes, { 'content-type': type }), 'unsupported_media_type');
    expect(await runs()).toBe(runs_before);
  });
});

describe('field', () => {
  test.each<[string, unknown, string]>([
    ['goal', undefined, '/goal'],
    ['goal', '', '/goal'],
    ['goal', ' \n\t\u00a0 ', '/goal'],
    ['goal', 'x'.repeat(32_001), '/goal'],
    ['goal', 7, '/goal'],
    ['goal', null, '/goal'],
    ['goal', ['a'], '/goal'],
    ['goal', 'a\0b', '/goal'],
    ['goal', '\ud800', '/goal'],
    ['user', '', '/user'],
    ['user', 7, '/user'],
    ['user', null, '/user'],
    ['user', 'x'.repeat(201), '/user'],
    ['user', 'a\0', '/user'],
    ['user', 'a\udfff', '/user'],
    ['plan', null, '/plan'],
    ['plan', {}, '/plan/steps'],
    ['plan', { steps: {} }, '/plan/steps'],
    ['plan', { steps: [], goal: 'a' }, '/plan/goal'],
    ['plan', { steps: [7] }, '/plan/steps/0'],
    ['plan', { steps: [{ id: 1, tool: 'calculator' }] }, '/plan/steps/0/id'],
    [
      'plan',
      { steps: [{ id: 'a', tool: 'calculator', input: { __proto__: null, 'a\0': 1 } }] },
      '/plan/steps/0/input/a\0',
    ],
    ['budget', 7, '/budget'],
    ['budget', { max_steps: 0 }, '/budget/max_steps'],
    ['budget', { max_steps: 1.5 }, '/budget/max_steps'],
    ['budget', { max_steps: '5' }, '/budget/max_steps'],
    ['budget', { max_duration_s: -1 }, '/budget/max_duration_s'],
    ['budget', { max_duration_s: 1e300 }, '/budget/max_duration_s'],
    ['budget', { max_cost_usd: -0.01 }, '/budget/max_cost_usd'],
    ['budget', { max_cost_usd: '1' }, '/budget/max_cost_usd'],
    ['budget', { max_cost_usd: null }, '/budget/max_cost_usd'],
    ['budget', { max_cost_usd: 1e300 }, '/budget/max_cost_usd'],
    ['budget', { max_tokens: 0 }, '/budget/max_tokens'],
    ['budget', { max_tokens: -1 }, '/budget/max_tokens'],
    ['budget', { max_tokens: 1.5 }, '/budget/max_tokens'],
    ['budget', { max_tokens: 1_000_000_001 }, '/budget/max_tokens'],
    ['budget', { usd_per_day: 1 }, '/budget/usd_per_day'],
    ['judge', 'off', '/judge'],
    ['judge', { enabled: 'no' }, '/judge/enabled'],
    ['judge', { threshold: 1.01 }, '/judge/threshold'],
    ['judge', { threshold: -0.1 }, '/judge/threshold'],
    ['judge', { max_replans: -1 }, '/judge/max_replans'],
    ['judge', { max_replans: 11 }, '/judge/max_replans'],
    ['judge', { on_exhausted: 'ask' }, '/judge/on_exhausted'],
    ['judge', { model: 'mine' }, '/judge/model'],
    ['metadata', [], '/metadata'],
    ['metadata', { a: 1 }, '/metadata/a'],
    ['metadata', { a: 'x'.repeat(513) }, '/metadata/a'],
    ['metadata', { a: 'x\0' }, '/metadata/a'],
    ['metadata', { '': 'x' }, '/metadata/'],
    ['metadata', { ['k'.repeat(65)]: 'x' }, `/metadata/${'k'.repeat(65)}`],
    ['metadata', { 'a/b~c': 1 }, '/metadata/a~1b~0c'],
    ['metadata', { a: { b: 'c' } }, '/metadata/a'],
    ['metadata', Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])), '/metadata'],
    ['tags', 'red', '/tags'],
    ['tags', [''], '/tags/0'],
    ['tags', ['a', 'x'.repeat(65)], '/tags/1'],
    ['tags', ['a', null], '/tags/1'],
    ['tags', ['\ud83d'], '/tags/0'],
    ['tags', Array.from({ length: 17 }, (_, i) => `t${i}`), '/tags'],
  ])('%s is refused with the value %j', async (field, value, pointer) => {
    const problem = await refused({ goal: 'a', [field]: value }, pointer);
    expect(problem.error.param).toBe(field);
  });

  test.each(['input', 'model', 'tools', 'approval', 'webhook', 'stream', 'Goal', 'constructor', 'toString'])(
    '%s is not known and refused',
    async (field) => {
      const problem = await refused({ goal: 'a', [field]: {} }, `/${field}`);
      expect(problem.errors[0]!.code).toBe('unknown_field');
    },
  );

  test.each(['max_tokens', 'max_cost_usd', 'max_steps'])(
    '%s beyond what numbers can say is refused',
    async (field) => {
      await refused(`{"goal":"a","budget":{"${field}":1e309}}`, `/budget/${field}`);
      await refused(`{"goal":"a","budget":{"${field}":-1e309}}`, `/budget/${field}`);
    },
  );

  test.each(['1e309', '-1e309', '[1,{"b":1e400}]'])(
    'an input of any shape is refused where it holds a number beyond what numbers can say: %s',
    async (number) => {
      const plan = `{"steps":[{"id":"a","tool":"calculator","input":{"expression":"1","n":${number}}}]}`;
      const problem = await problemIn(await send(`{"goal":"a","plan":${plan}}`), 'invalid_request');
      expect(problem.errors).toMatchObject([
        { pointer: expect.stringMatching('^/plan/steps/0/input/n') as string, code: 'invalid_value' },
      ]);
      expect(await runs()).toBe(runs_before);
    },
  );

  test('a whole number of more digits than numbers keep is refused, a large one is taken', async () => {
    const inInput = (number: string) =>
      `{"goal":"a","plan":{"steps":[{"id":"a","tool":"calculator","input":{"expression":"1","n":${number}}}]}}`;
    const inCondition = (number: string) =>
      `{"goal":"a","plan":{"steps":[{"id":"a","tool":"x","when":{"ref":"a.x","op":"eq","value":${number}}}]}}`;
    for (const number of [
      '9007199254740993',
      '1000000000000000001',
      '-1234567890123456789',
      '123456789012345678901234567890',
      '9'.repeat(100_000),
    ]) {
      for (const body of [inInput(number), inCondition(number), `[{}, ${number}]`]) {
        const { errors } = await refused(body, '');
        const shown = number.length > 30 ? `${number.slice(0, 29)}…` : number;
        expect(errors[0]!.detail).toBe(
          `The number ${shown} has more digits than a number keeps; send it as a text.`,
        );
      }
    }
    for (const number of [
      '9007199254740991',
      '1000000000000000000',
      '1e18',
      '6.02214076e23',
      '0.1000000000000000055',
    ]) {
      const problem = await problemIn(await send(inInput(number)), 'invalid_plan');
      expect(problem.errors[0]!.detail).not.toContain('digits');
    }
    expect((await send({ goal: 'say "1000000000000000001" \\' })).status).toBe(202);
  });

  test('__proto__ is refused wherever it stands', async () => {
    await refused('{"goal":"a","__proto__":{"user":"root"}}', '/__proto__');
    await refused('{"goal":"a","metadata":{"__proto__":"x"}}', '/metadata/__proto__');
    const plan =
      '{"steps":[{"id":"a","tool":"calculator","input":{"expression":"1","o":{"__proto__":{"polluted":1}}}}]}';
    await refused(`{"goal":"a","plan":${plan}}`, '/plan/steps/0/input/o/__proto__');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test('that holds lone surrogates as escapes is refused, whole pairs are taken', async () => {
    await refused('{"goal":"\\ud83d"}', '/goal');
    expect((await send('{"goal":"\\ud83d\\ude00"}')).status).toBe(202);
  });

  test('that is wrong is named with all others', async () => {
    await refused({ user: 1, tags: [1], later: true }, '/goal', '/user', '/tags/0', '/later');
  });

  test('that is missing, blank or of another type is told in words', async () => {
    const { errors } = await refused({ user: 1, tags: null }, '/goal', '/user', '/tags');
    expect(errors.map(({ code, detail }) => `${code}: ${detail}`)).toEqual([
      'missing: is missing',
      'invalid_type: expected string, received number',
      'invalid_type: expected array, received null',
    ]);
    const blank = await refused({ goal: ' ' }, '/goal');
    expect(blank).toMatchObject({ detail: '/goal: must say something', errors: [{ code: 'invalid_value' }] });
  });

  test('reply names at most fifty, however many are wrong', async () => {
    const body = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`f${i}`, i]));
    const { errors, detail } = await problemIn(await send(body), 'invalid_request');
    expect(errors).toHaveLength(50);
    expect(detail).toMatch(/\(at least \d+ parts are wrong; 50 are named\)$/);
  });

  test('reply is small, whatever is refused and however long its keys are', async () => {
    const key = 'k'.repeat(400_000);
    const dangling = Array.from({ length: 1_500 }, (_, at) => `{zz${at}.a}`);
    const steps = [{ id: 'a', tool: 'calculator', input: { [key]: dangling } }];
    const hostile = Object.fromEntries(dangling.map((text) => [text, '\0']));
    for (const [path, body, code] of [
      ['/v1/runs', { goal: 'a', plan: { steps } }, 'invalid_plan'],
      ['/v1/plans', { goal: 'a', plan: { steps } }, 'invalid_plan'],
      ['/v1/runs', { goal: 'a', [key]: hostile }, 'invalid_request'],
    ] as const) {
      const reply = await api.request(path, { method: 'POST', body });
      expect((await reply.clone().text()).length).toBeLessThan(60_000);
      const { errors, detail } = await problemIn(reply, code);
      expect(errors).toHaveLength(50);
      expect(errors.filter(({ pointer }) => pointer.length > 300)).toEqual([]);
      expect(errors.at(-1)!.pointer).toMatch(/…$/);
      expect(detail).toMatch(/\(at least \d+ parts are wrong; 50 are named\)$/);
    }
  });
});
