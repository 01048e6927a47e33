import type { Log } from './log';
import type { Part } from './parts';
import { isRunning, markOf, type ProcessMark } from './processes';

/** How soon a dead server is noticed. API and worker wait for it meanwhile. */
const LOOK_EVERY_MS = 1_000;

/** A server of ours that runs: its process, and where clients reach it. */
export interface Server {
  pid: number;
  address: string;
  stop(): Promise<void>;
}

/** Starts a server and starts it again when it dies, at the same address where possible. Returns the first address and the part to stop. */
export async function keepServer({
  name,
  start,
  killSignal,
  log,
}: {
  name: string;
  start: () => Promise<Server>;
  killSignal: NodeJS.Signals;
  log: Log;
}): Promise<Part & { address: string }> {
  let server = await start();
  let mark = markOf(server.pid);
  let repairing: Promise<void> | undefined;

  async function repair(): Promise<void> {
    log(`${name} died; starting it again`);
    // Takes back our note that we use the dead one.
    await server.stop();
    const { address } = server;
    server = await start();
    mark = markOf(server.pid);
    if (server.address !== address)
      log(`${name} had to take another port. Stop Longhaul and start it again.`);
  }

  const timer = setInterval(() => {
    if (repairing || isAlive(mark)) return;
    repairing = repair()
      .catch((error: Error) => log(`${name} does not start again: ${error.message}`))
      .finally(() => (repairing = undefined));
  }, LOOK_EVERY_MS);

  return {
    address: server.address,
    stop: async () => {
      clearInterval(timer);
      await repairing;
      await server.stop();
    },
    kill: () => {
      clearInterval(timer);
      if (mark && isAlive(mark)) process.kill(mark.pid, killSignal);
    },
  };
}

function isAlive(mark: ProcessMark | undefined): boolean {
  return mark !== undefined && isRunning(mark);
}
