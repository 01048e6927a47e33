import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long a client gets to read its last reply before the connection is destroyed, milliseconds. */
const LINGER_MS = 2_000;

/**
 * Ends a connection in stages (RFC 9112 §9.6): a connection that is destroyed while its client still sends would take the reply
 * away from it. Nothing more is read meanwhile.
 */
export function endGently(socket: Duplex): void {
  socket.end();
  // Only then: Node begins to throw away what is left of a request in the same turn.
  setImmediate(() => socket.pause());
  const late = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(late));
}

/** Whether a request says that a body follows. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * A request that was answered before all of it came: the rest is not read, however long it is, and no other request is taken
 * from the connection. Called before the reply is written.
 */
export function leaveRest(req: IncomingMessage, res: ServerResponse): void {
  if (req.complete || !hasBody(req)) return;
  res.shouldKeepAlive = false;
  // What Node calls when the last reply of a connection is written.
  req.socket.destroySoon = () => endGently(req.socket);
}
