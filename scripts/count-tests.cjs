// Counts what scripts/check.cjs left in dist/reports and prints `N passed, N failed` as its last line. Arguments are commands
// that failed outside of it. Exits with 1 when anything failed or no test ran. Uses Node alone: it also runs when `npm ci` failed.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const REPORTS = join(__dirname, '../dist/reports');
/** Jest's own JSON. */
const JEST_REPORT = join(REPORTS, 'jest.json');
/** Exit code of each gate. */
const GATES_REPORT = join(REPORTS, 'gates.json');

/** Content of a report; null when it was not written, or not to its end. */
function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/**
 * Passed and failed: tests, test files that could not be run, gates and commands, each of which counts as one. A failed `test`
 * gate counts only when no failed test explains it (a leak, a crash).
 * @param {string[]} commands that failed outside the gates
 */
function summary(commands) {
  const jest = read(JEST_REPORT);
  const gates = read(GATES_REPORT);
  const tests = jest?.numFailedTests ?? 0;
  const files = jest?.numRuntimeErrorTestSuites ?? 0;
  const passed = jest?.numPassedTests ?? 0;
  const causes = Object.keys(gates ?? {}).filter(
    (gate) => gates[gate] !== 0 && (gate !== 'test' || tests + files === 0),
  );
  // `npm run check` fails because of what is counted already, unless it never came to its end.
  const explained = gates !== null && tests + files + causes.length > 0;
  causes.push(...commands.filter((command) => command !== 'npm run check' || !explained));
  if (passed + tests === 0) causes.push('no test ran');
  const skipped = (jest?.numPendingTests ?? 0) + (jest?.numTodoTests ?? 0);
  const lines = causes.map((cause) => `failed: ${cause}`);
  if (files > 0) lines.push(`failed: ${files} test files could not be run`);
  if (skipped > 0) lines.push(`${skipped} tests were skipped`);
  return { passed, failed: tests + files + causes.length, lines };
}

module.exports = { GATES_REPORT, JEST_REPORT, REPORTS, summary };

if (require.main === module) {
  const print = (line) => process.stdout.write(`${line}\n`);
  const { passed, failed, lines } = summary(process.argv.slice(2));
  for (const line of lines) print(line);
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
