import { eventually } from './eventually';

/** How often a process is asked whether it takes requests, milliseconds. */
const ASK_EVERY_MS = 50;

/** Sends connections round to the processes that are ready, as a load balancer does. */
export interface Balancer {
  /** Port of the process whose turn it is. */
  next(): number;
  /** Whether this process is in the round. */
  has(port: number): boolean;
  stop(): void;
}

/** Watches `/readyz` of the API processes on these ports of 127.0.0.1 until all of them are in the round. */
export async function startBalancer(ports: readonly number[]): Promise<Balancer> {
  const ready = new Set<number>();
  const asking = new Set<number>();
  let turn = 0;
  const ask = async (port: number) => {
    if (asking.has(port)) return;
    asking.add(port);
    const well = await isReady(port);
    asking.delete(port);
    if (well) ready.add(port);
    else ready.delete(port);
  };
  const timer = setInterval(() => ports.forEach((port) => void ask(port)), ASK_EVERY_MS);
  await eventually(() => ready.size === ports.length, { what: 'all processes to be ready' });
  return {
    next() {
      const round = [...ready].sort();
      turn += 1;
      return round[turn % round.length]!;
    },
    has: (port) => ready.has(port),
    stop: () => clearInterval(timer),
  };
}

async function isReady(port: number): Promise<boolean> {
  try {
    const reply = await fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } });
    await reply.arrayBuffer();
    return reply.status === 200;
  } catch {
    return false; // not started yet, or no longer there
  }
}
