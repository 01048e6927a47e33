import type { Run } from '../../src/contracts/run';
import { FAILURES_TO_OPEN, OPEN_MS } from '../../src/llm/breaker';
import { eventually } from '../support/eventually';
import { asked, expectWhole, GOAL, purposeOf, SAYS, STEPS, typesOf } from '../support/model-runs';
import { gate } from '../support/runs';
import { scriptedProvider, type ScriptedProvider } from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

/** Calls to the endpoint at once. */
const MAX_PARALLEL = 8;
/** Requests that one call may cost. */
const MAX_REQUESTS = 5;
const DOWN = { status: 503, body: { error: { message: 'The server is down.' } } };

let system: System;
let provider: ScriptedProvider;
/** The way to the provider. */
let wire: TcpProxy;
beforeAll(async () => {
  provider = await scriptedProvider();
  wire = await startTcpProxy({ host: '127.0.0.1', port: Number(new URL(provider.url).port) });
  const at = { base_url: `http://127.0.0.1:${wire.port}/v1`, max_parallel: MAX_PARALLEL };
  const LONGHAUL_MODELS = JSON.stringify({
    small: [{ model: 'small-1', ...at }],
    medium: [{ model: 'medium-1', ...at }],
  });
  system = await startSystem({ settings: { LONGHAUL_MODELS } });
});
afterAll(async () => {
  await system.stop();
  await wire.stop();
  await provider.close();
});

/** The breakers as operators see them. */
async function breakers(): Promise<Record<string, string>> {
  const reply = await system.request('/readyz');
  expect(reply.status).toBe(200); // runs are taken all the same
  return ((await reply.json()) as { models: Record<string, string> }).models;
}

/** As if the minute were over for which a breaker stays open. */
async function waitOutBreakers(): Promise<void> {
  await system.database.owner.query(
    `update model_endpoints set breaker = breaker || '{"until": 0}' where breaker->>'state' = 'open'`,
  );
}

/** As if no minute were over while the test looks at breakers that are open, however slow the machine is. */
async function keepBreakersOpen(): Promise<void> {
  await system.database.owner.query(
    `update model_endpoints set breaker = breaker || jsonb_build_object('until', (breaker->>'until')::float8 + $1)
     where breaker->>'state' = 'open'`,
    [5 * OPEN_MS],
  );
}

/** Submits runs at once and waits until all have ended. @returns them, each with its events */
async function ended(goals: string[], more: object = {}) {
  const runs = await Promise.all(goals.map((goal) => system.submit({ goal, ...more })));
  // One look for all: a look at each would be most of the load.
  await eventually(
    async () => {
      const open = await system.database.owner.query(
        'select id from runs where id = any($1) and finished_at is null limit 1',
        [runs.map(({ id }) => id)],
      );
      return open.length === 0;
    },
    { within_ms: 60_000, what: 'all runs to end' },
  );
  return Promise.all(
    runs.map(async ({ id }) => {
      const run = await system.ended(id);
      const events = await system.events(id);
      expectWhole(events, run.status === 'completed' ? 'run.completed' : 'run.failed');
      return { run, events };
    }),
  );
}

const goals = (count: number, of: string) => Array.from({ length: count }, (_, n) => `${GOAL} ${of} ${n}.`);

/** What a run says that no model could be asked for. */
const UNAVAILABLE: Partial<Run> = {
  status: 'failed',
  error: expect.objectContaining({ code: 'provider_unavailable' }) as Run['error'],
};

describe('A provider that is out', () => {
  const PLANNED = goals(40, 'Planned');
  const GIVEN = goals(10, 'Given');

  test('under 50 runs at once is asked a few times in all, and each run says truly how it ended', async () => {
    provider.serve(() => DOWN);
    const [planned, given] = await Promise.all([ended(PLANNED), ended(GIVEN, { plan: { steps: STEPS } })]);

    for (const { run } of planned) expect(run).toMatchObject(UNAVAILABLE);
    // The steps of a given plan need no model, and a template can say what they gave.
    for (const { run, events } of given) {
      expect(run).toMatchObject({
        status: 'completed',
        answer: expect.stringContaining('144') as string,
        degraded: true,
        degraded_reason: expect.stringContaining('answer: ') as string,
      });
      expect(typesOf(events).slice(-3)).toEqual(['output.reset', 'generation.completed', 'run.completed']);
      expect(events.at(-2)).toMatchObject({ data: { text: run.answer, degraded: { part: 'answer' } } });
    }
    for (const goal of PLANNED) {
      const { plan, judge, answer } = asked(provider, goal);
      expect([plan <= MAX_REQUESTS, judge, answer]).toEqual([true, 0, 0]);
    }
    for (const goal of GIVEN) {
      const { plan, judge, answer } = asked(provider, goal);
      expect([plan, judge, answer <= MAX_REQUESTS]).toEqual([0, 0, true]);
    }
    // Those that were under way when the last failure opened the breaker, and the failures before it.
    expect(provider.requests.length).toBeLessThan(FAILURES_TO_OPEN + MAX_PARALLEL);
    expect(await breakers()).toEqual({ 'small/1': 'closed', 'medium/1': 'open' });
  });

  test('is left alone by runs that come while its breaker is open', async () => {
    await keepBreakersOpen();
    const before = provider.requests.length;
    const [planned] = await ended([`${GOAL} Later.`]);
    expect(planned!.run).toMatchObject(UNAVAILABLE);
    const [given] = await ended([`${GOAL} Later given.`], { plan: { steps: STEPS } });
    expect(given!.run).toMatchObject({ status: 'completed', degraded: true });
    expect(provider.requests).toHaveLength(before);
  });

  test('is left alone by all but one call that looks after it, and by all when that one fails', async () => {
    await waitOutBreakers();
    expect(await breakers()).toMatchObject({ 'medium/1': 'half_open' });
    const before = provider.requests.length;
    const probe = gate();
    provider.serve(() => ({ ...DOWN, hold: probe.opened }));
    const first = ended([`${GOAL} Probe.`]);
    await eventually(() => provider.requests.length === before + 1, { what: 'the probe' });
    for (const { run } of await ended(goals(5, 'Meanwhile'))) expect(run).toMatchObject(UNAVAILABLE);
    probe.open();
    expect((await first)[0]!.run).toMatchObject(UNAVAILABLE);
    expect(provider.requests).toHaveLength(before + 1);
    expect(await breakers()).toMatchObject({ 'medium/1': 'open' });
  });

  test('is asked again by everybody once a call has found it back', async () => {
    provider.serve((request) => ({ text: SAYS[purposeOf(request)] }));
    await waitOutBreakers();
    const [first] = await ended([`${GOAL} Back.`]);
    expect(first!.run).toMatchObject({ status: 'completed', answer: SAYS.answer, degraded: false });
    expect(await breakers()).toEqual({ 'small/1': 'closed', 'medium/1': 'closed' });
    for (const { run } of await ended(goals(10, 'Back')))
      expect(run).toMatchObject({ status: 'completed', degraded: false });
  });

  test('is asked five times for one call, after the pauses it names, then given up', async () => {
    provider.serve(() => ({ ...DOWN, headers: { 'retry-after-ms': '20' } }));
    const [only] = await ended([`${GOAL} Alone.`]);
    expect(only!.run).toMatchObject(UNAVAILABLE);
    expect(asked(provider, `${GOAL} Alone.`)).toEqual({ plan: MAX_REQUESTS, judge: 0, answer: 0 });
    await waitOutBreakers();
    provider.serve((request) => ({ text: SAYS[purposeOf(request)] }));
    const [next] = await ended([`${GOAL} Again.`]);
    expect(next!.run).toMatchObject({ status: 'completed' });
  });

  test('is treated the same where nothing can connect to it', async () => {
    wire.cut();
    const before = provider.requests.length;
    for (const { run } of await ended(goals(10, 'Cut'))) expect(run).toMatchObject(UNAVAILABLE);
    expect(provider.requests).toHaveLength(before);
    expect(await breakers()).toMatchObject({ 'medium/1': 'open' });
    wire.heal();
    await waitOutBreakers();
    const [run] = await ended([`${GOAL} Healed.`]);
    expect(run!.run).toMatchObject({ status: 'completed', degraded: false });
  });
});
