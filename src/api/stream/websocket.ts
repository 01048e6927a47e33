import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { Refusal } from '../../contracts/refusal';
import { problemOf } from '../problem';
import type { ApiDeps } from '../deps';
import { newId } from '../../db/new-id';
import { serveSession } from './ws-session';

const PROTOCOL = 'longhaul.v1';
/** Size of a frame that a client sends, bytes; larger ones close the socket with 1009. */
const MAX_FRAME = 65_536;
const PATH = /^\/ws\/runs\/([^/]+)\/?$/;

/** Serves `GET /ws/runs/{id}` on a server. @returns what ends all sessions, with 1001. */
export function attachWebSocket(server: Server, deps: ApiDeps): { close(): Promise<void> } {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const url = new URL(req.url ?? '/', 'http://localhost');
    const run_id = PATH.exec(url.pathname)?.[1];
    if (run_id === undefined) return refuse(deps, socket, url.pathname);
    sockets.handleUpgrade(req, socket, head, (ws: WebSocket) => {
      serveSession(deps, ws, { run_id, after: url.searchParams.get('after') ?? undefined, headers: req.headers }).catch(
        (err: unknown) => {
          deps.log.error({ err, run_id }, 'A WebSocket session broke off.');
          ws.terminate();
        },
      );
    });
  });
  return {
    async close() {
      for (const ws of sockets.clients) ws.close(1001, 'The server stops.');
      sockets.close();
    },
  };
}

/** No other address takes an upgrade: the same problem document as on HTTP, then the socket is closed. */
function refuse({ settings }: ApiDeps, socket: Duplex, path: string): void {
  const refusal = new Refusal('not_found', 'No WebSocket is served at this address.');
  const problem = problemOf(refusal, { public_url: settings.public_url, path, request_id: newId('req') });
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
