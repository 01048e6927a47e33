// The gate: every check, one after the other, all of them even when one fails. Ends with `N passed, N failed` and exits with 1
// when anything failed. `npm run check` locally and in CI.

const { spawnSync } = require('node:child_process');
const { mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { GATES_REPORT, JEST_REPORT, REPORTS, summary } = require('./count-tests.cjs');

/** Scripts of package.json, the fast ones first. */
const GATES = ['format', 'lint', 'types', 'layers', 'dead', 'test'];

const print = (line) => process.stdout.write(`${line}\n`);

const root = join(__dirname, '..');
rmSync(REPORTS, { recursive: true, force: true });
mkdirSync(REPORTS, { recursive: true });

const codes = {};
for (const gate of GATES) {
  const args = ['run', gate, ...(gate === 'test' ? ['--', '--json', `--outputFile=${JEST_REPORT}`] : [])];
  print(`\n== npm ${args.slice(0, 2).join(' ')}`);
  codes[gate] = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status ?? 1;
  // After each gate: what CI counts must be there also when a later gate never ends.
  writeFileSync(GATES_REPORT, JSON.stringify(codes));
}

const { passed, failed, lines } = summary([]);
for (const line of lines) print(line);
print(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
