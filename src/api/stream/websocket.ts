import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { parse as parseQuery } from 'node:querystring';
import { WebSocketServer, type WebSocket } from 'ws';
import { Refusal } from '../../contracts/refusal';
import type { ApiDeps, ApiSettings } from '../deps';
import { isUnderWay, type Replies } from '../in-turn';
import { refuseOver } from '../raw-problem';
import { requestFault, shownPath } from '../request-fault';
import { logSession } from './ws-log';
import { WsSession } from './ws-session';

const PROTOCOL = 'longhaul.v1';
/** Size of a frame that a client sends, bytes; larger ones close the socket with 1009. */
const MAX_FRAME = 65_536;
/** Time that clients get to answer when the server stops, milliseconds. */
const GOODBYE_WITHIN_MS = 1_000;
const ONE_RUN = /^\/ws\/runs\/([^/]+)\/?$/;
const MANY_RUNS = /^\/v1\/stream\/?$/;
/** Headers that ask for another protocol on the same connection. */
const UPGRADE_HEADERS = new Set(['connection', 'upgrade', 'http2-settings']);

/**
 * Serves `GET /v1/stream` and `GET /ws/runs/{id}` on a server.
 * @returns what ends all streams of the process: sockets with `goodbye` and 1001, server-sent events with a `retry`; resolves when the
 *   sockets are closed
 */
export function attachWebSocket(server: Server, deps: ApiDeps, replies: Replies): { close(): Promise<void> } {
  const { public_url } = deps.settings;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME,
    perMessageDeflate: false,
    // Answered by the session, which knows how much the client has left unread.
    autoPong: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  sockets.on('wsClientError', (error, socket, req) => {
    const detail = `The WebSocket handshake is not valid: ${error.message}.`;
    refuseOver(socket, new Refusal('invalid_request', detail), { public_url, path: pathOf(req) });
  });
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node asks at once; whatever were answered would stand in the middle of that reply.
    if (isUnderWay(replies.on(socket))) return void socket.destroy();
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') return serveAsItIs(server, req, socket, head);
    const fault = requestFault(req);
    if (fault !== null) {
      deps.log.info({ code: fault.code }, 'A WebSocket was refused.');
      return refuseOver(socket, fault, { public_url, path: shownPath(req) });
    }
    const path = pathOf(req);
    const run_id = ONE_RUN.exec(path)?.[1] ?? null;
    const refusal =
      run_id === null && !MANY_RUNS.test(path)
        ? new Refusal('not_found', 'No WebSocket is served at this address.')
        : refusalOfOrigin(req.headers.origin, deps.settings);
    if (refusal !== null) {
      deps.log.info({ code: refusal.code }, 'A WebSocket was refused.');
      return refuseOver(socket, refusal, { public_url, path });
    }
    const query = { ...parseQuery((req.url ?? '').slice(path.length + 1)) };
    sockets.handleUpgrade(req, socket, head, (ws: WebSocket) => {
      logSession(deps, { ws, req, run_id }, () =>
        new WsSession(deps, ws, socket, run_id).begin({ query, headers: req.headers }),
      );
    });
  });
  return {
    async close() {
      const open = [...sockets.clients];
      sockets.close();
      deps.streams.drain();
      await Promise.all(open.map(closed));
    },
  };
}

/**
 * Browsers send cookies and reach inner networks from any web site, and say which one it is; other clients say nothing. Refused at the
 * handshake, where it costs least: browsers tell their scripts no more of a close code than of a refused handshake.
 */
function refusalOfOrigin(
  origin: string | undefined,
  { public_url, allowed_origins }: Pick<ApiSettings, 'public_url' | 'allowed_origins'>,
): Refusal | null {
  if (origin === undefined || origin === new URL(public_url).origin || allowed_origins.includes(origin)) {
    return null;
  }
  return new Refusal('origin_refused', 'Scripts of this web site may not open WebSockets here.');
}

/** Waits until a socket is closed, with 1001 where nothing was said yet; one whose client does not answer would hold the process for long. */
function closed(ws: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => ws.terminate(), GOODBYE_WITHIN_MS);
    ws.once('close', () => {
      clearTimeout(late);
      resolve();
    });
    ws.close(1001, 'The server stops.');
  });
}

/** By hand: `new URL` throws for addresses such as `//`, and nobody would catch that here. */
function pathOf(req: IncomingMessage): string {
  return /^[^?]*/.exec(req.url ?? '/')![0];
}

/**
 * Serves a request as if it had not asked for another protocol, as RFC 9110 §7.8 allows. Clients ask for HTTP/2 in passing
 * (Java's does on every first request), and Node hands over all of them once somebody listens to `upgrade`.
 */
function serveAsItIs(server: Server, req: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${req.method} ${req.url} HTTP/1.1`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!;
    if (!UPGRADE_HEADERS.has(name.toLowerCase())) lines.push(`${name}: ${req.rawHeaders[i + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
