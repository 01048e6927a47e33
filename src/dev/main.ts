import { inheritedEnvironment } from '../config';
import { bundleWorkflows } from '../workers/bundle-workflows';
import { homeOf, ROOT } from './home';
import { INTERRUPTED, onSignals } from './signals';
import { startStack } from './supervisor';
import { welcome } from './welcome';

/* `npm start`: the whole stack on one machine, until Ctrl-C. */

const env = inheritedEnvironment();
const log = (line: string) => void process.stderr.write(`${line}\n`);

log('Starting Longhaul. The first start takes about a minute, later ones some seconds.');
const stack = startStack({
  home: homeOf(env),
  root: ROOT,
  env,
  log,
  bundle: bundleWorkflows,
});
let stopping = false;

onSignals(
  () => {
    stopping = true;
    log('\nStopping.');
    // Ended by its signal as it should be: a clean stop of something that runs until Ctrl-C.
    stack.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  },
  () => stack.kill(),
);

stack.ready.then(
  (urls) => void process.stdout.write(`${welcome(urls)}\n`),
  (error: Error) => {
    if (stopping) process.exit(INTERRUPTED);
    log(error.message);
    process.exit(1);
  },
);
