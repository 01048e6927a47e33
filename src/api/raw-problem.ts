import type { IncomingMessage, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Refusal } from '../contracts/refusal';
import { newId } from '../db/new-id';
import type { ApiSettings } from './deps';
import { isUnderWay, type Replies } from './in-turn';
import { endGently, leaveRest } from './linger';
import { problemOf } from './problem';
import { shownPath } from './request-fault';
import { securityHeaderLines } from './security-headers';

interface Place {
  public_url: string;
  path: string;
}

/** Answers on a socket that Express does not have: the same problem document as anywhere, then the end. */
export function refuseOver(socket: Duplex, refusal: Refusal, place: Place): void {
  socket.on('error', () => socket.destroy()); // a client that left meanwhile must not end the process
  const { status, title, headers, body } = replyOf(refusal, place);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
  socket.write(`HTTP/1.1 ${status} ${title}\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`);
  endGently(socket);
}

/** Answers a request that Express is not to see, then closes its connection. @returns the request's id. */
export function refuseRequest(
  req: IncomingMessage,
  res: ServerResponse,
  refusal: Refusal,
  { public_url }: Pick<Place, 'public_url'>,
): string {
  const { status, headers, body, request_id } = replyOf(refusal, { public_url, path: shownPath(req) });
  leaveRest(req, res);
  res.shouldKeepAlive = false;
  res.writeHead(status, headers).end(body);
  return request_id;
}

/** Bytes that are no HTTP request never reach Express; their sender is told as everybody else is. */
export function refuseBadBytes(
  server: Server,
  { public_url }: Pick<ApiSettings, 'public_url'>,
  replies: Replies,
): void {
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    if (error.code === 'ECONNRESET') return void socket.destroy();
    const reply = replies.on(socket);
    // It is about to be closed: its last reply was given.
    if (!socket.writable || (reply?.writableEnded && !reply.shouldKeepAlive)) return;
    if (isUnderWay(reply)) {
      // In the middle of another reply a problem document would be taken for a part of it.
      if (reply.headersSent) return void socket.destroy();
      // The bad bytes came after a whole request: that one is answered, and nothing more.
      if (reply.req.complete) return void (reply.shouldKeepAlive = false);
    }
    refuseOver(socket, refusalOf(error.code), { public_url, path: '/' });
  });
  server.on('connect', (_req, socket) => {
    const refusal = new Refusal('method_not_allowed', 'This is no proxy: CONNECT is not served.');
    refuseOver(socket, refusal, { public_url, path: '/' });
  });
}

function refusalOf(code: string | undefined): Refusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Refusal('request_timeout', 'The request took too long to come.');
  }
  const detail =
    code === 'HPE_HEADER_OVERFLOW'
      ? 'The headers are larger than this service takes.'
      : 'The bytes that came are no complete HTTP/1.1 request.';
  return new Refusal('invalid_request', detail);
}

function replyOf(refusal: Refusal, place: Place) {
  const request_id = newId('req');
  const problem = problemOf(refusal, { ...place, request_id });
  const body = JSON.stringify(problem);
  const headers: OutgoingHttpHeaders = {
    ...securityHeaderLines(),
    'Cache-Control': 'no-store',
    'Content-Type': 'application/problem+json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'X-Request-Id': request_id,
  };
  return { status: problem.status, title: problem.title, headers, body, request_id };
}
