import { inheritedEnvironment } from '../config';
import { runProgram } from './program';

/* `longhaul`: see program.ts. The process ends by itself, so that what was printed is there also when stdout is a pipe. */

void runProgram(process.argv.slice(2), {
  env: inheritedEnvironment(),
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}).then((code) => (process.exitCode = code));
