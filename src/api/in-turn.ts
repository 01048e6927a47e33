import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** Requests that may wait on one connection: what they hold waits in memory. Browsers and proxies send none before its time. */
const MAX_WAITING = 100;

/** What came over one connection. */
interface Line {
  /** The reply that is under way, or was last. */
  now: ServerResponse;
  /** Of the request that came last. */
  last: ServerResponse;
  waiting: number;
}

/** Replies of a server, by their connections. */
export interface Replies {
  /** The reply that is under way on a connection, or was the last one there. */
  on(socket: Duplex): ServerResponse | undefined;
}

/** Whether a reply is not out yet. */
export function isUnderWay(reply: ServerResponse | undefined): reply is ServerResponse {
  return reply !== undefined && !reply.writableFinished;
}

/**
 * Serves the requests of one connection one after another: each once the reply before it is out. Node hands over all that a client sends
 * without waiting for replies (pipelining), but to a reply that is not at its turn it never says that the connection was closed, so that
 * streams and waits would be kept for ever. What changes something must not be served beside others anyway (RFC 9112 §9.3.2). Requests
 * behind a reply that closes the connection (§9.6), and behind a stream that its client breaks off, are never begun.
 */
export function serveInTurn(
  server: Server,
  serve: (req: IncomingMessage, res: ServerResponse) => void,
  bind: <Args extends unknown[]>(act: (...args: Args) => void) => (...args: Args) => void,
): Replies {
  const lines = new WeakMap<Duplex, Line>();
  server.on('request', (req, res) => {
    const { socket } = req;
    const line = lines.get(socket);
    if (line?.last.shouldKeepAlive === false) return; // its reply closes the connection
    if (line === undefined || res.socket !== null) {
      lines.set(socket, { now: res, last: res, waiting: 0 });
      return serve(req, res);
    }
    if (line.waiting === MAX_WAITING) return void socket.destroy();
    const before = line.last;
    line.last = res;
    line.waiting += 1;
    // Bound: it belongs to nothing that was done for the request before it.
    const next = bind(() => {
      line.waiting -= 1;
      if (res.socket === null) return; // the connection is closed, or about to be
      line.now = res;
      serve(req, res);
    });
    before.once('close', next);
  });
  return { on: (socket) => lines.get(socket)?.now };
}
