import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(__dirname, '../..');

/** A process that stops as ours do; `end` is its last part. */
async function start(end: string) {
  const code = `const { runToEnd, stopRequest, endWithin } = require('./src/process-end.ts');
    runToEnd('API', async () => { setInterval(() => {}, 60000); const stop = stopRequest(); console.log('ready');
      await stop; console.log('stopping'); ${end} });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', code], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = createInterface(child.stdout);
  const said: string[] = [];
  child.stderr.on('data', (part) => said.push(String(part)));
  await once(lines, 'line');
  return { child, lines, exited: once(child, 'close'), said: () => said.join('') };
}

describe('A process that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('by %s ends in order, with 0', async (signal) => {
    const { child, exited, said } = await start('');
    child.kill(signal);
    expect([await exited, said()]).toEqual([[0, null], '']);
  });

  test.each([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGTERM', 143],
  ] as const)('by %s and then %s ends at once', async (first, second, code) => {
    const { child, lines, exited } = await start('await new Promise(() => {});');
    child.kill(first);
    await once(lines, 'line');
    child.kill(second);
    expect(await exited).toEqual([code, null]);
  });

  test('and hangs is ended, with 1 and a line that says so', async () => {
    const { child, exited, said } = await start(`endWithin('API', 100); await new Promise(() => {});`);
    child.kill('SIGTERM');
    expect(await exited).toEqual([1, null]);
    expect(said()).toBe('The API did not stop within 0.1 s; it ends with work unfinished.\n');
  });

  test('and fails meanwhile says why', async () => {
    const { child, exited, said } = await start(`throw new Error('no');`);
    child.kill('SIGTERM');
    expect(await exited).toEqual([1, null]);
    expect(said()).toBe('The API cannot run: no\n');
  });
});
