import { randomBytes } from 'node:crypto';
import { inheritedEnvironment } from '../config';
import type { Run } from '../contracts/run';
import { bundleWorkflows } from '../workers/bundle-workflows';
import { followRun } from '../watch/follow-run';
import type { RunView } from '../watch/run-view';
import { screenOf } from '../watch/screen';
import { homeOf, ROOT } from './home';
import { INTERRUPTED, onSignals } from './signals';
import { readStackNote, type StackNote } from './stack-note';
import { startStack } from './supervisor';

/* `npm run demo`: one run from its submission to its answer; package.json says of which goal. The answer goes to stdout, everything else to stderr. */

/** Exit code of the command line for a run that did not end well. */
const RUN_FAILED = 3;

const goal = process.argv[2] ?? '';
const env = inheritedEnvironment();
const home = homeOf(env);
const log = (line: string) => void process.stderr.write(`${line}\n`);
const interrupted = new AbortController();

async function main(): Promise<number> {
  const running = readStackNote(home);
  if (running) {
    log(`Using the stack that already runs: ${running.api_url}`);
    return demonstrate(running);
  }
  log('Starting Longhaul. The first start takes about a minute, later ones some seconds.');
  const stack = startStack({ home, root: ROOT, env, log, bundle: bundleWorkflows });
  onSignals(
    () => {
      log('\nStopping.');
      interrupted.abort();
      // Also ends a start that is under way: `ready` rejects then.
      void stack.stop();
    },
    () => stack.kill(),
  );
  try {
    return await demonstrate(await stack.ready);
  } finally {
    log('Stopping.');
    await stack.stop();
  }
}

async function demonstrate(api: StackNote): Promise<number> {
  // A user of its own: the list then holds the todos of this demo and no others.
  const user = `demo-${randomBytes(4).toString('hex')}`;
  const headers = { Authorization: `Bearer ${api.key}` };
  log(`\nGoal: ${goal}\n`);
  const run = await submit(api, headers, user);
  const view = await followRun(
    { url: `${api.api_url}/v1/runs/${run.id}/events`, headers, signal: interrupted.signal },
    screenOf(process.stderr, env),
  );
  return report(view);
}

async function submit(api: StackNote, headers: Record<string, string>, user: string): Promise<Run> {
  const reply = await fetch(`${api.api_url}/v1/runs`, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json', 'Idempotency-Key': user },
    body: JSON.stringify({ goal, user }),
    signal: interrupted.signal,
  });
  if (reply.status !== 202) throw new Error(`The API refused the run: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as Run;
}

function report({ status, ending }: RunView): number {
  if (status !== 'completed') {
    log(`\nThe run ${status}: ${ending}`);
    return RUN_FAILED;
  }
  log('');
  process.stdout.write(`${ending}\n`);
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    log(error.message);
    process.exit(1);
  },
);
