import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Express } from 'express';
import { createApp } from './app';
import { limitConnections } from './connections';
import type { ApiDeps } from './deps';
import { messagesOf } from './http-messages';
import { serveInTurn } from './in-turn';
import { refuseBadBytes, refuseRequest } from './raw-problem';
import { requestFault } from './request-fault';
import { MAX_HEADER_BYTES, MAX_HEADERS, type SocketLimits } from './socket-limits';
import { attachWebSocket } from './stream/websocket';

/** How often connections that have become idle are closed meanwhile, milliseconds. */
const SWEEP_EVERY_MS = 50;

export interface ListenOptions {
  host: string;
  port: number;
  /** How long it serves on after it was told to close, while `/readyz` sends balancers elsewhere, milliseconds. */
  drain_ms: number;
  /** What is under way gets this long then, milliseconds; what hangs is cut off. */
  finish_within_ms: number;
}

/** An API that listens. */
export interface Served {
  readonly address: AddressInfo;
  /** Open connections of clients. */
  readonly connections: ReadonlySet<Socket>;
  /** Ends it in order. */
  close(): Promise<void>;
}

/**
 * Serves the API: its application, its WebSockets and the limits of its sockets. Its end, as `close` makes it:
 *
 *   draining    `/readyz` says 503, everything is still served, each reply closes its connection
 *   closing     no new connections; WebSockets are told goodbye, streams end, requests under way finish
 *   closed      what has not finished in time was cut off
 */
export async function serve(
  deps: ApiDeps,
  { host, port, drain_ms, finish_within_ms }: ListenOptions,
): Promise<Served> {
  const { settings, log, stopping, hub } = deps;
  const app = createApp(deps);
  const { sockets: limits, public_url } = settings;
  const server = createLimited(app, limits);
  const isProxy = app.get('trust proxy fn') as (address: string, hop: number) => boolean;
  const connections = limitConnections(server, { limits, isProxy: (address) => isProxy(address, 0), log });
  const take = (req: IncomingMessage, res: ServerResponse) => {
    if (stopping.signal.aborted) res.shouldKeepAlive = false;
    const fault = requestFault(req);
    if (fault === null) return void app(req, res);
    const request_id = refuseRequest(req, res, fault, { public_url });
    log.info({ request_id, code: fault.code }, 'A request was refused.');
  };
  const replies = serveInTurn(server, take, deps.context.bind);
  refuseBadBytes(server, settings, replies);
  // Who reads the body asks for it; what else is expected is refused.
  for (const event of ['checkContinue', 'checkExpectation'])
    server.on(event, (req, res) => server.emit('request', req, res));
  stopping.signal.addEventListener('abort', () => {
    for (const socket of connections) {
      const reply = replies.on(socket);
      if (reply?.headersSent === false) reply.shouldKeepAlive = false;
    }
  });
  const sockets = attachWebSocket(server, deps, replies);
  await listening(server, host, port);
  return {
    address: server.address() as AddressInfo,
    connections,
    async close() {
      stopping.abort();
      if (drain_ms > 0) await sleep(drain_ms);
      const closed = closing(server, connections, finish_within_ms);
      await Promise.all([sockets.close(), hub.close(), closed]);
    },
  };
}

function createLimited(app: Express, limits: SocketLimits): Server {
  const server = createServer({
    ...messagesOf(app),
    insecureHTTPParser: false,
    requireHostHeader: false, // `requestFault` looks at it, and answers as everywhere
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: limits.headers_within_ms,
    requestTimeout: limits.request_within_ms,
    keepAliveTimeout: limits.idle_ms,
    connectionsCheckingInterval: limits.check_every_ms,
  });
  // One more than is taken: Node leaves out in silence what is beyond.
  server.maxHeadersCount = MAX_HEADERS + 1;
  return server;
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
}

/** Takes no more connections and waits until all are closed: each when its reply is over, all when the time is. */
async function closing(server: Server, connections: ReadonlySet<Socket>, within_ms: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    // Node takes a connection that has never sent a byte for a busy one.
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  }, SWEEP_EVERY_MS);
  const late = setTimeout(() => {
    for (const socket of connections) socket.destroy();
  }, within_ms);
  await closed;
  clearInterval(sweep);
  clearTimeout(late);
}
