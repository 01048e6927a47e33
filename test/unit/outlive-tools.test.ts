import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LogLines } from '../support/log-lines';

const ROOT = join(__dirname, '../..');

/** A process set up as a worker's, in which `act` is done during an activity. @returns its exit code and what it logged */
async function run(activity: string, act: string) {
  const code = `const { createTelemetry } = require('./src/telemetry/telemetry.ts');
    const { outliveTools } = require('./src/workers/outlive-tools.ts');
    const { log, context } = createTelemetry({ level: 'info', format: 'json', log_goals: false, name: 'worker', tools: [] });
    outliveTools(log, context, () => process.exit(1));
    context.run({ run_id: 'run_1', activity: ${JSON.stringify(activity)} }, () => { ${act} });
    setTimeout(() => log.info('goes on'), 50);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', code], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const lines = new LogLines();
  child.stderr.setEncoding('utf8').on('data', (text: string) => lines.write(text));
  const [exit_code] = (await once(child, 'close')) as [number];
  return { exit_code, logged: lines.lines() };
}

const THROWS = `setTimeout(() => { throw new Error('nobody catches this'); }, 0);`;
const REJECTS = `Promise.reject(new Error('nobody handles this'));`;

describe('A worker', () => {
  test.each([
    ['throws where nobody catches', THROWS],
    ['forgets a promise that fails', REJECTS],
  ])('goes on when a tool %s, and says so with the run', async (_, act) => {
    const { exit_code, logged } = await run('useTool', act);
    expect(exit_code).toBe(0);
    expect(logged).toMatchObject([{ level: 'error', run_id: 'run_1' }, { msg: 'goes on' }]);
  });

  test('ends when anything else throws where nobody catches', async () => {
    const { exit_code, logged } = await run('endRun', THROWS);
    expect(exit_code).toBe(1);
    expect(logged).toMatchObject([{ level: 'fatal', err: { message: 'nobody catches this' } }]);
  });
});
