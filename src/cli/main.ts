import { inheritedEnvironment } from '../config';
import { onSignals } from '../dev/signals';
import { screenOf } from '../watch/screen';
import { EXIT } from './exit';
import { runProgram } from './program';

/* `longhaul`: see program.ts. The process ends by itself, so that what was printed is there also when stdout is a pipe. */

const env = inheritedEnvironment();

// A reader that has enough, as `head` has, closes its end: what it did not want is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  throw error;
});

void runProgram(process.argv.slice(2), {
  env,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  screen: screenOf(process.stderr, env),
  interruption() {
    const interrupted = new AbortController();
    onSignals(
      () => interrupted.abort(),
      () => undefined,
    );
    return interrupted.signal;
  },
}).then((code) => (process.exitCode = code));
