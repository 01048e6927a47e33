import { Client } from 'pg';
import type { RunEvent } from '../../src/contracts/event';
import type { Purpose } from '../../src/contracts/model';
import type { Run } from '../../src/contracts/run';
import { eventually } from '../support/eventually';
import { asked, expectWhole, GOAL, isAbout, purposeOf, SAYS, typesOf } from '../support/model-runs';
import { gate } from '../support/runs';
import { scriptedProvider, type ScriptedProvider } from '../support/scripted-provider';
import { startSystem, type System } from '../support/stack';

let system: System;
let provider: ScriptedProvider;
beforeAll(async () => {
  provider = await scriptedProvider();
  const base_url = provider.url;
  const LONGHAUL_MODELS = JSON.stringify({
    small: [{ model: 'small-1', base_url }],
    // As many calls as the worker that is killed has under way: the next one needs their slots.
    medium: [{ model: 'medium-1', base_url, max_parallel: 2 }],
  });
  system = await startSystem({ settings: { LONGHAUL_MODELS } });
});
afterAll(async () => {
  await system.stop();
  await provider.close();
});

/** Kills the worker with -9 and starts another one. */
async function replaceWorker(): Promise<void> {
  await system.worker.kill();
  system.worker = await system.startWorker();
}

const of = <T extends RunEvent['type']>(events: readonly RunEvent[], type: T) =>
  events.filter((event): event is RunEvent<T> => event.type === type);

describe('A worker killed with -9 while it asks for', () => {
  /** What the call that is under way is for, by the goal of its run. */
  const UNDER_WAY: Record<string, Purpose> = {
    [`${GOAL} First.`]: 'judge',
    [`${GOAL} Second.`]: 'answer',
    [`${GOAL} Third.`]: 'plan',
  };
  const runs = new Map<Purpose, Run>();
  const goalOf = (purpose: Purpose) => runs.get(purpose)!.goal;

  // One kill hits them all.
  beforeAll(async () => {
    provider.serve((request) => {
      const purpose = purposeOf(request);
      const [goal, held] = Object.entries(UNDER_WAY).find(([text]) => isAbout(request, text))!;
      const text = SAYS[purpose];
      // The first worker hears all but the end of what is asked for, and the answer in other words than the second one.
      const isFirst = held === purpose && asked(provider, goal)[purpose] === 1;
      if (!isFirst) return { text };
      return { text: purpose === 'answer' ? 'There are apples' : text, ending: 'open' };
    });
    const isUnderWay: Record<Purpose, (run: Run) => Promise<boolean>> = {
      plan: async ({ id }) => of(await system.events(id), 'plan.step_drafted').length > 0,
      judge: ({ goal }) => Promise.resolve(asked(provider, goal).judge === 1),
      answer: async ({ id }) => of(await system.events(id), 'generation.delta').length > 0,
    };
    // One after the other, so that each finds a slot on its way.
    for (const [goal, purpose] of Object.entries(UNDER_WAY)) {
      const run = await system.submit({ goal });
      runs.set(purpose, run);
      await eventually(() => isUnderWay[purpose](run), { what: `the call for the ${purpose}` });
    }
    await replaceWorker();
    for (const [purpose, { id }] of runs) runs.set(purpose, await system.ended(id));
  });

  test.each<Purpose>(['plan', 'judge', 'answer'])(
    'the %s: another one asks for it again, and for nothing else',
    (purpose) => {
      expect(runs.get(purpose)).toMatchObject({ status: 'completed', answer: SAYS.answer, degraded: false });
      const once = { plan: 1, judge: 1, answer: 1 };
      expect(asked(provider, goalOf(purpose))).toEqual({ ...once, [purpose]: 2 });
      // What was lost with the worker was never counted; nobody knows what it cost.
      expect(runs.get(purpose)!.usage).toMatchObject({ input_tokens: 30, output_tokens: 15 });
    },
  );

  test.each<Purpose>(['plan', 'judge', 'answer'])('the %s: its story is whole', async (purpose) => {
    const { id } = runs.get(purpose)!;
    const events = await system.events(id);
    expectWhole(events, 'run.completed');
    expect(of(events, 'plan.created')).toHaveLength(1);
    expect(of(events, 'judge.verdict')).toHaveLength(1);
    expect(of(events, 'step.completed')).toHaveLength(2);
    expect(of(events, 'generation.completed')).toHaveLength(1);
    const drafting = typesOf(
      events.filter(({ type }) => /^plan\.(started|step_drafted|created)$/.test(type)),
    );
    expect(of(events, 'plan.started')).toHaveLength(purpose === 'plan' ? 2 : 1);
    expect(of(events, 'output.reset')).toHaveLength(purpose === 'answer' ? 1 : 0);
    expect(drafting).toEqual([
      ...(purpose === 'plan' ? ['plan.started', 'plan.step_drafted'] : []),
      ...['plan.started', 'plan.step_drafted', 'plan.created'],
    ]);
  });

  test('the plan: the steps shown since it was last begun are its steps', async () => {
    const events = await system.events(runs.get('plan')!.id);
    const begun = events.findLastIndex(({ type }) => type === 'plan.started');
    const steps = (list: readonly RunEvent[]) => of(list, 'plan.step_drafted').map(({ data }) => data.step);
    expect(steps(events.slice(0, begun))).not.toEqual([]);
    expect(steps(events.slice(begun))).toEqual(of(events, 'plan.created')[0]!.data.steps);
  });

  test('the answer: the text since it was last begun is the answer', async () => {
    const events = await system.events(runs.get('answer')!.id);
    const reset = events.findLastIndex(({ type }) => type === 'output.reset');
    const shown = (list: readonly RunEvent[]) =>
      of(list, 'generation.delta')
        .map(({ data }) => data.text)
        .join('');
    expect('There are apples').toContain(shown(events.slice(0, reset)));
    expect(shown(events.slice(0, reset))).not.toBe('');
    expect(shown(events.slice(reset))).toBe(SAYS.answer);
    const todos = await system.database.db.query(`select text from todos`);
    expect(todos).toHaveLength(runs.size);
  });
});

describe('A worker killed with -9 between the reply of a model and what follows from it', () => {
  /** Holds a table as nobody may write to it, until the returned function is called. */
  async function held(table: string): Promise<() => Promise<void>> {
    const client = new Client({ connectionString: system.database.url });
    await client.connect();
    await client.query('begin');
    await client.query(`lock table ${table} in share row exclusive mode`);
    return async () => {
      // What the killed worker had begun is gone with it, however soon its server notices.
      await client.query(
        `select pg_terminate_backend(pid) from pg_locks where relation = $1::regclass and not granted`,
        [table],
      );
      await client.query('commit');
      await client.end();
    };
  }
  const waiting = (table: string) =>
    eventually(
      async () => {
        const locks = await system.database.owner.query(
          'select 1 from pg_locks where relation = $1::regclass and not granted',
          [table],
        );
        return locks.length > 0;
      },
      { what: `somebody to wait for ${table}` },
    );

  test.each<[Purpose, string]>([
    ['plan', 'plan.created'],
    ['judge', 'judge.verdict'],
  ])('to the %s, buys it no second time', async (purpose, outcome) => {
    const goal = `${GOAL} Reply to the ${purpose}.`;
    const reply = gate();
    provider.serve((request) => ({
      text: SAYS[purposeOf(request)],
      ...(purposeOf(request) === purpose && { hold: reply.opened }),
    }));
    const { id } = await system.submit({ goal });
    await eventually(() => asked(provider, goal)[purpose] === 1, { what: 'the request' });
    const release = await held('plans');
    reply.open();
    await waiting('plans');
    const calls = await system.database.owner.query(
      `select reply->>'text' as text from model_calls where run_id = $1 and purpose = $2`,
      [id, purpose],
    );
    expect(calls).toEqual([{ text: SAYS[purpose] }]);
    await system.worker.kill();
    await release();
    system.worker = await system.startWorker();

    const run = await system.ended(id);
    expect(run).toMatchObject({ status: 'completed', answer: SAYS.answer });
    expect(asked(provider, goal)).toEqual({ plan: 1, judge: 1, answer: 1 });
    expect(run.usage).toMatchObject({ input_tokens: 30, output_tokens: 15, saved: { calls: 1, tokens: 15 } });
    const events = await system.events(id);
    expectWhole(events, 'run.completed');
    expect(events.filter(({ type }) => type === outcome)).toHaveLength(1);
    expect(of(events, 'run.usage')).toHaveLength(3);
  });
});
