import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SubmitRun } from '../../src/contracts/run';
import { createApiKey } from '../../src/db/api-keys';
import { eventually } from '../support/eventually';
import { startSystem, type System } from '../support/stack';

const BIN = join(__dirname, '..', '..', 'bin', 'longhaul.cjs');
/** A tool whose connection breaks at each first try: nobody knows whether it sent anything. */
const SEND = `export const tools = [{
  name: 'mail.send', version: '1.0.0', description: 'Sends.', effect: 'unsafe', input_schema: { type: 'object' },
  timeout_s: 10, max_attempts: 3,
  call: async (input, { attempt }) => { if (attempt === 1) throw new Error('socket hang up'); return { attempt }; },
}];`;

let folder: string;
let system: System;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longhaul-cli-runs-'));
  writeFileSync(join(folder, 'send.mjs'), SEND);
  const packs = [join(__dirname, '../support/tool-pack.ts'), join(folder, 'send.mjs')];
  system = await startSystem({ settings: { LONGHAUL_TOOL_PACKS: packs.join(',') } });
});
afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a command as a user does. */
const started = (args: string[], env: Record<string, string> = {}) =>
  spawn(process.execPath, [BIN, 'runs', ...args], {
    env: { ...process.env, LONGHAUL_API_URL: system.api_url, LONGHAUL_API_KEY: system.key, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
/** The same, with what it will have printed. */
function start(args: string[], env?: Record<string, string>) {
  const child = started(args, env);
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { child, ended: ended.then(([out, err, [code]]) => ({ code: code as number, out, err })) };
}
const runs = (args: string[], env?: Record<string, string>) => start(args, env).ended;

const plan = (tool: string, input: Record<string, unknown>): SubmitRun => ({
  goal: 'Carry this out.',
  plan: {
    steps: [
      { id: 'one', tool: 'calculator', input: { expression: '6 * 7' } },
      { id: 'two', tool, input, needs: ['one'] },
    ],
  },
});
const submit = async (tool: string, input: Record<string, unknown> = {}) =>
  (await system.submit(plan(tool, input))).id;
const reaches = (id: string, status: string) =>
  eventually(async () => (await system.get(id)).status === status, { what: `${id} to be ${status}` });

describe('A run that asks a person', () => {
  test.each([
    ['was', 'done', 'null'],
    ['was not', 'not-done', '{"attempt":2}'],
  ])('is answered by the command that it shows: it %s done', async (_words, outcome, output) => {
    const id = await submit('mail.send');
    await reaches(id, 'waiting');
    const { out } = await runs(['show', id]);
    expect(out).toContain('Status      waiting');
    expect(out).toContain('two: Did mail.send take effect?');
    const [, command] = new RegExp(`: +longhaul (runs .* --outcome ${outcome} .*)`).exec(out)!;
    const watching = start(['watch', id]);
    const words = command!.replace("'…'", 'seen').split(' ').slice(1);
    expect(await runs(words)).toMatchObject({ code: 0, out: '' });
    const watched = await watching.ended;
    expect(watched).toMatchObject({ code: 0, out: `6 * 7 = 42\nmail.send (two): ${output}\n` });
    expect(watched.err).toContain(`longhaul runs show ${id}`);
    expect(await runs(words)).toMatchObject({ code: 1, err: expect.stringMatching(/state|wait/) });
  });
});

describe('A run that goes on', () => {
  test('is not restarted, goes on when Ctrl-C ends its watcher, and ends it with 5 when it is cancelled', async () => {
    const id = await submit('test.wait', { ms: 60_000 });
    const early = await runs(['restart', id]);
    expect(early).toMatchObject({ code: 1, out: '', err: expect.stringContaining('has not ended') });
    expect((await runs(['output', id])).code).toBe(7);

    const interrupted = start(['watch', id]);
    await once(interrupted.child.stderr, 'data');
    interrupted.child.kill('SIGINT');
    const left = await interrupted.ended;
    expect(left).toMatchObject({ code: 130, out: '', err: expect.stringContaining(`${id} goes on.`) });

    const watching = start(['watch', id]);
    await once(watching.child.stderr, 'data');
    const cancelled = await runs(['cancel', id, '--reason', 'enough']);
    expect(cancelled).toMatchObject({ code: 0, err: expect.stringContaining('is being cancelled') });
    const watched = await watching.ended;
    expect(watched).toMatchObject({ code: 5, out: '', err: expect.stringContaining('enough') });
  });
});

describe('A run that failed', () => {
  test('is restarted once, whoever repeats the command with its key', async () => {
    const id = await submit('calculator', { expression: '1 / 0' });
    await reaches(id, 'failed');
    const again = ['restart', id, '--idempotency-key', `again-${id}`, '--reason', 'once more'];
    const both = await Promise.all([runs(again), runs(again)]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both[0].out).toMatch(/^run_\w+\n$/);
    expect(both[1].out).toBe(both[0].out);
    const other = await runs([...again, '--from', 'start']);
    expect(other).toMatchObject({ code: 2, out: '', err: expect.stringContaining('another body') });

    const restarted = both[0].out.trim();
    expect(await runs(['watch', restarted])).toMatchObject({ code: 3, out: '' });
    const list = await runs(['list', '--root', id, '-o', 'json']);
    expect((JSON.parse(list.out) as { id: string }[]).map((run) => run.id)).toEqual([restarted, id]);
  });

  test('is forked to its end; what is wrong with an edit is said by name', async () => {
    const id = await submit('calculator', { expression: '1 / 0' });
    await reaches(id, 'failed');
    const fork = (...more: string[]) => runs(['fork', id, ...more]);
    const input = ['--step-input', '{"expression":"{one.value} / 2"}'];
    const forked = await fork('--at', 'two', ...input, '--watch');
    expect(forked.code).toBe(0);
    expect(forked.err).toMatch(/✓ one .* taken over\n[^]*✓ two .* 21 [^]*\n6 \* 7 = 42\n42 \/ 2 = 21\n$/);

    const circle = join(folder, 'circle.json');
    const needs = { tool: 'todo.list', input: {} };
    const steps = [
      { id: 'a', ...needs, needs: ['b'] },
      { id: 'b', ...needs, needs: ['a'] },
    ];
    writeFileSync(circle, JSON.stringify({ steps }));
    const wrong: [args: string[], words: RegExp][] = [
      [['--at', 'three', ...input], /three/],
      [['--at', 'start', '--plan', circle], /\/plan\/steps\/\d/],
      [['--at', 'two', '--goal', 'Another.'], /\/goal: /],
      [['--at', 'two', '--step-input', '[]'], /\/step_input: /],
    ];
    for (const [args, words] of wrong)
      expect([args, await fork(...args)]).toEqual([
        args,
        { code: 2, out: '', err: expect.stringMatching(words) },
      ]);
  });
});

test('A reader that has enough ends a command without a word', async () => {
  await submit('todo.list');
  const child = started(['list']);
  const [err, closed] = [text(child.stderr), once(child, 'close')];
  child.stdout.destroy();
  expect([(await closed)[0], await err]).toEqual([0, '']);
});

describe('A key', () => {
  test('that is not accepted, or is of another tenant, finds nothing', async () => {
    const id = await submit('todo.list');
    const { secret } = await createApiKey(system.database.db, 'tenant_foreign', 'foreign', {
      scopes: ['runs:read', 'runs:write'],
    });
    const refused = await runs(['show', id], { LONGHAUL_API_KEY: 'lh_nobody_has_this_key_at_all' });
    expect(refused).toMatchObject({ code: 4, out: '', err: expect.stringContaining('API key') });
    for (const command of ['show', 'watch', 'output', 'cancel', 'restart']) {
      const foreign = await runs([command, id], { LONGHAUL_API_KEY: secret });
      expect(foreign).toMatchObject({ code: 1, out: '', err: expect.stringContaining('no such run') });
    }
  });
});
