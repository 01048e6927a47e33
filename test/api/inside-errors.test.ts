import { startApiServer, type ApiServer } from '../support/api-server';
import { problemIn } from '../support/problem';
import { openSse, openWs } from '../support/stream-readers';

/** What no reply may hold: it is in the errors that are thrown below. */
const SECRETS = {
  statement: 'select hash from api_keys',
  password: 'hunter2-postgres-password',
  file: '/srv/longhaul/src/db/runs.ts',
  key: `lh_${'S'.repeat(43)}`,
};

let api: ApiServer;
let run_id: string;
const lines: string[] = [];
beforeAll(async () => {
  api = await startApiServer({ log: (line) => void lines.push(line) });
  run_id = (await api.submit()).id;
});
afterAll(() => api.stop());

/** An error as the inside throws them: the driver's, with all it knows. */
function broken(): never {
  const error = new Error(`syntax error in ${SECRETS.statement} for ${SECRETS.key}`);
  error.stack = `Error: at findRun (${SECRETS.file}:12:3)`;
  throw Object.assign(error, {
    code: '42601',
    query: SECRETS.statement,
    hint: `postgres://longhaul:${SECRETS.password}@db/longhaul`,
    status: 500,
    expose: true,
  });
}

const silent = (text: string) => {
  for (const secret of Object.values(SECRETS)) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/syntax error|Error: at|42601/);
};

const faults: [string, () => jest.SpyInstance][] = [
  ['the record throws', () => jest.spyOn(api.deps.db, 'of').mockImplementation(broken)],
  [
    'a query throws',
    () =>
      jest.spyOn(api.deps.db, 'of').mockReturnValue({
        query: async () => broken(),
        transaction: async () => broken(),
      }),
  ],
  [
    'a query brings what it never should',
    () =>
      jest.spyOn(api.deps.db, 'of').mockReturnValue({
        query: async () => [null] as never,
        transaction: async () => undefined as never,
      }),
  ],
  ['the look-up of keys throws', () => jest.spyOn(api.deps, 'findKey').mockImplementation(broken)],
  ['the hub throws', () => jest.spyOn(api.deps.hub, 'follow').mockImplementation(broken)],
];

describe.each(faults)('When %s', (_what, breakIt) => {
  let spy: jest.SpyInstance;
  beforeEach(() => {
    lines.length = 0;
    spy = breakIt();
  });
  afterEach(() => spy.mockRestore());

  test.each<[string, () => Promise<Response>]>([
    ['a submit', () => api.request('/v1/runs', { body: { goal: 'a' } })],
    ['a run', () => api.request(`/v1/runs/${run_id}`)],
    ['its events', () => api.request(`/v1/runs/${run_id}/events`)],
    ['a cancel', () => api.request(`/v1/runs/${run_id}/cancel`, { method: 'POST' })],
  ])(
    'the reply to %s says nothing of the inside, and leads to the line of the log that does',
    async (_route, ask) => {
      const reply = await ask();
      if (reply.status < 400) return silent(await reply.text());
      const problem = await problemIn(reply, 'internal');
      silent(JSON.stringify([problem, ...reply.headers]));
      expect(lines.filter((line) => line.includes(problem.request_id))).not.toEqual([]);
    },
  );

  test('streams say nothing of the inside', async () => {
    const sse = await openSse(api, `/v1/runs/${run_id}/events`);
    silent(sse.text() + JSON.stringify(sse.headers));
    sse.drop();
    const ws = await openWs(api, `/ws/runs/${run_id}`);
    const [code, reason] = await ws.closed();
    expect([code, reason]).toEqual([1011, 'internal']);
    silent(ws.texts.join(''));
  });
});

test.each(['not even an error', null, undefined, { status: 200 }])(
  'A route that throws %p answers with a problem document',
  async (thrown) => {
    const spy = jest.spyOn(api.deps.db, 'of').mockImplementation(() => {
      throw thrown;
    });
    const reply = await api.request(`/v1/runs/${run_id}`);
    spy.mockRestore();
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  },
);
