import type { ActivityDeps } from '../../src/activities';
import { draftPlan } from '../../src/activities/draft-plan';
import { endRun } from '../../src/runs/end-run';
import type { Step } from '../../src/contracts/plan';
import { deleteRun } from '../../src/db/runs';
import { createTemplateAnswer } from '../../src/planning/template-answer';
import type { Asked } from '../../src/runs/decide-rerun';
import { foreseeRerun } from '../../src/runs/rerun';
import type { Tool, ToolContext } from '../../src/tools/tool';
import {
  AROUND,
  depsWith,
  outside,
  plannedRun,
  pure,
  start,
  stepOf,
  type ShortStep,
} from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { RESTART, playOut, repeat, rerunDeps, submission } from '../support/reruns';
import { eventsOf, rowOf } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/**
 * A world of one tool that adds up: it keeps every call and fails at the steps that are broken.
 *
 *   a ─┬─ b ─┐
 *      └─ c ─┴─ d ─┐
 *                e ┴─ f
 */
class World {
  /** `version step` of every call, in their order. */
  calls: string[] = [];
  readonly broken = new Set<string>();

  deps(...versions: string[]): ActivityDeps {
    return this.depsOf(versions.map((version) => this.tool('sum', version)));
  }

  depsOf(tools: Tool[]): ActivityDeps {
    return depsWith(test_db.db, tools, { writer: createTemplateAnswer() });
  }

  tool(name: string, version: string): Tool {
    const call = async (input: unknown, { step_id }: ToolContext) => {
      this.calls.push(`${version} ${step_id}`);
      if (this.broken.has(step_id)) throw new Error(`${step_id} is broken`);
      const { of } = input as { of: number[] };
      return { sum: of.reduce((sum, one) => sum + one, 0) };
    };
    return pure(name, call, { version, max_attempts: 1 });
  }

  /** Carries a run out. @returns the steps that were called, in the order of their ids */
  async play(deps: ActivityDeps, run_id: string): Promise<{ called: string; status: string }> {
    this.calls = [];
    const status = await playOut(deps, run_id);
    return { called: this.calls.toSorted().join(', '), status };
  }
}

const step = (id: string, ...of: (number | string)[]): Step => ({ id, tool: 'sum', input: { of } });
const PLAN: Step[] = [
  step('a', 1),
  step('b', '{a.sum}', 10),
  step('c', '{a.sum}', 100),
  step('d', '{b.sum}', '{c.sum}'),
  step('e', 1_000),
  step('f', '{d.sum}', '{e.sum}'),
];
const from = (id: string): Asked => ({ type: 'restart', from: id });
const result = async (run_id: string) => (await stepOf(test_db.db, run_id, 'f')).output;
const hashes = async (run_id: string) =>
  Object.fromEntries(
    (
      await test_db.db.query<{ id: string; input_hash: string }>(
        'select id, input_hash from steps where run_id = $1',
        [run_id],
      )
    ).map(({ id, input_hash }) => [id, input_hash]),
  );

describe('a restart', () => {
  test('calls only what did not complete and what depends on it, three times in a row; then a fork, and restarts from within', async () => {
    const world = new World();
    const deps = world.deps('1.0.0');
    const first = await plannedRun(deps, PLAN);
    world.broken.add('c').add('f');
    expect(await world.play(deps, first)).toEqual({
      called: '1.0.0 a, 1.0.0 b, 1.0.0 c',
      status: 'failed',
    });

    const { id: second } = await repeat(deps, first, RESTART);
    expect(await world.play(deps, second)).toEqual({ called: '1.0.0 c', status: 'failed' });

    world.broken.delete('c');
    const { id: third } = await repeat(deps, second, RESTART);
    expect(await world.play(deps, third)).toEqual({
      called: '1.0.0 c, 1.0.0 d, 1.0.0 e, 1.0.0 f',
      status: 'failed',
    });

    world.broken.delete('f');
    const { id: fourth } = await repeat(deps, third, RESTART);
    expect(await world.play(deps, fourth)).toEqual({ called: '1.0.0 f', status: 'completed' });
    expect(await result(fourth)).toEqual({ sum: 1_112 });

    for (const [run_id, superseded_by, origin] of [
      [first, second, null],
      [second, third, first],
      [third, fourth, second],
      [fourth, null, third],
    ]) {
      expect(await rowOf(test_db.db, run_id!)).toMatchObject({
        root_run_id: first,
        superseded_by,
        origin: { type: origin === null ? 'api' : 'restart', run_id: origin },
      });
    }

    const fork: Asked = { type: 'fork', from: 'b', step_input: { of: ['{a.sum}', 20] } };
    const { id: forked } = await repeat(deps, fourth, fork);
    expect(await world.play(deps, forked)).toEqual({
      called: '1.0.0 b, 1.0.0 d, 1.0.0 f',
      status: 'completed',
    });
    expect(await result(forked)).toEqual({ sum: 1_122 });
    expect(await rowOf(test_db.db, fourth)).toMatchObject({ superseded_by: null });
    expect(await rowOf(test_db.db, forked)).toMatchObject({
      root_run_id: first,
      origin: { type: 'fork', run_id: fourth, from: 'b' },
    });

    // Both are steps that the fork had taken over, one of them from the first run.
    const { id: inner } = await repeat(deps, forked, from('c'));
    expect(await world.play(deps, inner)).toEqual({
      called: '1.0.0 c, 1.0.0 d, 1.0.0 f',
      status: 'completed',
    });
    const { id: outer } = await repeat(deps, inner, from('a'));
    expect(await world.play(deps, outer)).toEqual({
      called: '1.0.0 a, 1.0.0 b, 1.0.0 c, 1.0.0 d, 1.0.0 f',
      status: 'completed',
    });
    expect(await result(outer)).toEqual({ sum: 1_122 });
    const { id: whole } = await repeat(deps, outer, from('start'));
    expect((await world.play(deps, whole)).called.split(', ')).toHaveLength(6);

    // The hashes of the filled-in inputs confirm it: what was taken over or run again with the same inputs has the same.
    const same = await hashes(fourth);
    expect(await hashes(first)).toEqual({ ...same, d: null, e: null, f: null });
    const changed = await hashes(whole);
    expect(Object.keys(same).filter((id) => same[id] !== changed[id])).toEqual(['b', 'd', 'f']);
  });

  test('runs with the newest compatible version of a tool; what is taken over keeps its own', async () => {
    const world = new World();
    const first = await plannedRun(world.deps('1.0.0'), PLAN);
    await world.play(world.deps('1.0.0'), first);
    const newer = world.deps('1.0.0', '1.1.0', '1.2.0', '2.0.0');
    const { id: second } = await repeat(newer, first, from('d'));
    expect(await world.play(newer, second)).toEqual({ called: '1.2.0 d, 1.2.0 f', status: 'completed' });
    const versions = await test_db.db.query(
      'select id, tool_version from steps where run_id = $1 order by id',
      [second],
    );
    expect(versions.map(({ id, tool_version }) => `${String(id)} ${String(tool_version)}`)).toEqual([
      'a 1.0.0',
      'b 1.0.0',
      'c 1.0.0',
      'd 1.2.0',
      'e 1.0.0',
      'f 1.2.0',
    ]);

    const pinned = PLAN.map((one) => (one.id === 'e' ? { ...one, version: '1.1.0' } : one));
    const { id: third } = await repeat(newer, second, { type: 'fork', from: 'f', plan: { steps: pinned } });
    // `e` is not as it was; `f` is chosen.
    expect(await world.play(newer, third)).toEqual({ called: '1.1.0 e, 1.2.0 f', status: 'completed' });
    const { id: fourth } = await repeat(newer, third, from('e'));
    expect(await world.play(newer, fourth)).toEqual({ called: '1.1.0 e, 1.2.0 f', status: 'completed' });
  });

  test('needs no tool of what is taken over, and names each that is gone of what is run', async () => {
    const world = new World();
    const plan: ShortStep[] = [
      { id: 'a', tool: 'sum', input: { of: [1] } },
      { id: 'b', tool: 'other', input: { of: ['{a.sum}'] } },
    ];
    const both = world.depsOf([world.tool('sum', '1.0.0'), world.tool('other', '1.0.0')]);
    const run_id = await plannedRun(both, plan);
    world.broken.add('b');
    await world.play(both, run_id);
    world.broken.clear();

    const gone = world.depsOf([world.tool('sum', '2.0.0')]);
    await expect(repeat(gone, run_id, RESTART)).rejects.toMatchObject({
      code: 'invalid_plan',
      parts: [{ pointer: '/plan/steps/1/tool', detail: 'There is no tool other.' }],
    });
    const foreseen = await foreseeRerun(rerunDeps(gone), submission(run_id, from('a')));
    expect(foreseen.missing).toEqual([
      { step_id: 'a', tool: 'sum', version: '1.0.0', detail: expect.stringContaining('2.0.0') },
      { step_id: 'b', tool: 'other', version: '1.0.0', detail: 'There is no tool other.' },
    ]);
    expect(await rowOf(test_db.db, run_id)).toMatchObject({ superseded_by: null });

    const other = world.depsOf([world.tool('other', '1.0.0')]);
    const { id } = await repeat(other, run_id, RESTART);
    expect(await world.play(other, id)).toEqual({ called: '1.0.0 b', status: 'completed' });
    expect(await stepOf(test_db.db, id, 'a')).toMatchObject({ reused: true, output: { sum: 1 } });
  });

  test('takes skips over with what caused them, and skips at once what they leave without inputs', async () => {
    const world = new World();
    const deps = world.deps('1.0.0');
    const plan: ShortStep[] = [
      { ...step('bad', 1), on_failure: 'continue' },
      step('a', 1),
      { ...step('never', 1), when: { ref: 'a.sum', op: 'gt', value: 1 } },
      { ...step('after', 1), needs: ['never'] },
      { ...step('lost', 1), needs: ['never', 'bad'] },
      { ...step('later', 1), needs: ['lost'] },
      step('stops', '{a.sum}', 1),
      { ...step('f', '{stops.sum}', 1), needs: ['bad'] },
    ];
    const run_id = await plannedRun(deps, plan);
    world.broken.add('bad').add('stops');
    expect(await world.play(deps, run_id)).toMatchObject({ status: 'failed' });
    world.broken.clear();
    const { id } = await repeat(deps, run_id, RESTART);
    expect(await world.play(deps, id)).toEqual({
      called: '1.0.0 bad, 1.0.0 f, 1.0.0 stops',
      status: 'completed',
    });
    const told = await eventsOf(test_db.db, id);
    expect(told.slice(0, 7).map(({ type, step_id }) => [type, step_id])).toEqual([
      ['run.created', undefined],
      ['plan.created', undefined],
      ['step.completed', 'a'],
      ['step.skipped', 'never'],
      ['step.skipped', 'after'],
      ['step.skipped', 'lost'],
      ['step.skipped', 'later'],
    ]);
    expect(told.filter(({ step_id }) => step_id === 'lost')).toHaveLength(1);
  });
});

describe('the effects of a run that is repeated', () => {
  /** A server that keeps keys; its replies are lost while it is deaf. */
  class Server {
    readonly made = new Set<string>();
    deaf = true;
    hits = 0;
    readonly tool = outside(
      'idempotent',
      'order',
      async (_input, { idempotency_key }) => {
        this.hits += 1;
        this.made.add(idempotency_key);
        if (this.deaf) throw new Error('connection reset');
        return { order: this.made.size };
      },
      { max_attempts: 1 },
    );
  }

  test('are found again by a restart whose first try was not acknowledged, and made anew by what is repeated on purpose', async () => {
    const server = new Server();
    const deps = depsWith(test_db.db, [server.tool], { writer: createTemplateAnswer() });
    const run_id = await plannedRun(deps, [{ id: 'order', tool: 'order', input: {} }]);
    expect(await playOut(deps, run_id)).toBe('failed');
    server.deaf = false;
    const restart = await repeat(deps, run_id, RESTART);
    expect(await playOut(deps, restart.id)).toBe('completed');
    expect([server.hits, server.made.size]).toEqual([2, 1]);

    const again = await repeat(deps, restart.id, from('start'));
    expect(await playOut(deps, again.id)).toBe('completed');
    expect([server.hits, server.made.size]).toEqual([3, 2]);

    const forks = [1, 2].map(() => repeat(deps, restart.id, { type: 'fork', from: 'order' }));
    for (const { id } of await Promise.all(forks)) expect(await playOut(deps, id)).toBe('completed');
    expect([server.hits, server.made.size]).toEqual([5, 4]);

    // A restart of a restart that had completed calls nothing.
    const idle = await repeat(deps, again.id, RESTART);
    expect(await playOut(deps, idle.id)).toBe('completed');
    expect(server.hits).toBe(5);
  });

  test('are found again by a fork too, where a call of a step that did not complete is on record', async () => {
    const server = new Server();
    const deps = depsWith(test_db.db, [server.tool], { writer: createTemplateAnswer() });
    const plan = [
      { id: 'order', tool: 'order', input: {} },
      { id: 'more', tool: 'order', input: {}, needs: ['order'] },
    ];
    const run_id = await plannedRun(deps, plan);
    expect(await playOut(deps, run_id)).toBe('failed');
    server.deaf = false;
    const { id } = await repeat(deps, run_id, { type: 'fork', from: 'order' });
    expect((await stepOf(test_db.db, id, 'order')).effect_scope).toBe(run_id);
    // Of this one there never was a call.
    expect((await stepOf(test_db.db, id, 'more')).effect_scope).toBe(id);
    expect(await playOut(deps, id)).toBe('completed');
    expect([server.hits, server.made.size]).toEqual([3, 2]);
  });

  test('that nobody knows of are asked about, also with another input: they are not made a second time', async () => {
    let hits = 0;
    const send = outside('unsafe', 'send', () => {
      hits += 1;
      return Promise.reject(new Error('socket hang up'));
    });
    const deps = depsWith(test_db.db, [send], { writer: createTemplateAnswer() });
    const run_id = await plannedRun(deps, [{ id: 'mail', tool: 'send', input: {} }]);
    expect(await start(deps, run_id, 'mail')).toMatchObject({ status: 'waiting' });
    await endRun(deps.db, { run_id, ending: { status: 'cancelled', by: 'temporal' } }, AROUND.execution);
    for (const asked of [RESTART, { type: 'fork', from: 'mail', step_input: { to: 'ann' } } as const]) {
      const { id } = await repeat(deps, run_id, asked);
      await draftPlan(deps, { run_id: id, round: 1 }, AROUND.execution);
      expect(await start(deps, id, 'mail')).toMatchObject({ status: 'waiting' });
    }
    expect(hits).toBe(1);
  });

  test('are kept while a step of another run refers to them, and go with the last one', async () => {
    const server = new Server();
    server.deaf = false;
    const deps = depsWith(test_db.db, [server.tool], { writer: createTemplateAnswer() });
    const run_id = await plannedRun(deps, [{ id: 'order', tool: 'order', input: {} }]);
    await playOut(deps, run_id);
    const { id } = await repeat(deps, run_id, RESTART);
    await playOut(deps, id);
    const kept = () => test_db.db.query('select 1 from effects where effect_scope = $1', [run_id]);
    const remove = (which: string) => test_db.db.transaction((tx) => deleteRun(tx, 'tenant', which, null));
    expect(await remove(run_id)).toBe(true);
    expect(await kept()).toHaveLength(1);
    const third = await repeat(deps, id, RESTART);
    await playOut(deps, third.id);
    expect(server.hits).toBe(1);
    await remove(id);
    expect(await kept()).toHaveLength(1);
    await remove(third.id);
    expect(await kept()).toEqual([]);
  });
});
