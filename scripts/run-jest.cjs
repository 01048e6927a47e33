// Runs Jest in one process and fails when it leaks: Jest itself only says that something still keeps it from exiting, and then
// hangs (or, with --forceExit, passes). Arguments go on to Jest. Exits with Jest's code, or 1 for a leak.

const { spawn } = require('node:child_process');
const { join } = require('node:path');
const timers = require('node:timers');

/** What Jest prints when all tests are over and it still cannot exit; the second with worker processes. */
const LEAK = /Jest did not exit|failed to exit gracefully/;

/** Time that Jest may still need to end by itself after it has said so, milliseconds. */
const GRACE_MS = 5_000;

const jest = join(__dirname, '../node_modules/jest/bin/jest.js');
const child = spawn(process.execPath, [jest, '--maxWorkers=1', ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'pipe'],
  env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}) },
});

let leaked = false;
/** End of what was printed, because a message may come in two pieces. */
let tail = '';

function watch(from, to) {
  from.setEncoding('utf8');
  from.on('data', (text) => {
    to.write(text);
    tail = (tail + text).slice(-2_000);
    if (leaked || !LEAK.test(tail)) return;
    leaked = true;
    timers.setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
  });
}

watch(child.stdout, process.stdout);
watch(child.stderr, process.stderr);

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));

child.on('error', (error) => {
  process.stderr.write(`Jest cannot be started: ${error.message}\n`);
  process.exitCode = 1;
});
child.on('close', (code) => {
  if (leaked) {
    process.stderr.write(
      '\nA test left something open: a timer, a socket, a server. Find it with --detectOpenHandles.\n',
    );
  }
  process.exitCode = leaked ? 1 : (code ?? 1);
});
