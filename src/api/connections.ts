import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from '../telemetry/logger';
import type { SocketLimits } from './socket-limits';

/** Dropped connections are said together, this often at most, milliseconds: a flood must not fill the log too. */
const SAY_EVERY_MS = 10_000;

interface Deps {
  limits: Pick<SocketLimits, 'connections' | 'connections_per_address'>;
  /** Whether an address is that of a proxy, which speaks for many clients. */
  isProxy(address: string): boolean;
  log: Logger;
}

/**
 * Drops the connections of a server that are too many, over all and of one address.
 * @returns the open ones
 */
export function limitConnections(server: Server, { limits, isProxy, log }: Deps): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  const perAddress = new Map<string, number>();
  const sayDropped = dropLog(log);
  server.maxConnections = limits.connections;
  server.on('drop', () => sayDropped(`more than ${limits.connections} are open`));
  server.on('connection', (socket: Socket) => {
    if (open.has(socket)) return; // given back to the server by a handler of upgrades
    const address = socket.remoteAddress ?? '';
    const others = perAddress.get(address) ?? 0;
    if (others >= limits.connections_per_address && !isProxy(address)) {
      sayDropped(`more than ${limits.connections_per_address} of one address are open`, address);
      return void socket.destroy();
    }
    open.add(socket);
    perAddress.set(address, others + 1);
    socket.on('close', () => {
      open.delete(socket);
      const left = perAddress.get(address)! - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
  });
  return open;
}

function dropLog(log: Logger): (why: string, address?: string) => void {
  let dropped = 0;
  let said_at = -Infinity;
  return (why, address) => {
    dropped += 1;
    if (performance.now() - said_at < SAY_EVERY_MS) return;
    log.warn({ dropped, address }, `Connections were dropped: ${why}.`);
    dropped = 0;
    said_at = performance.now();
  };
}
