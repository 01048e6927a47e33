import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Refusal } from '../contracts/refusal';
import { newId } from '../db/new-id';
import type { ApiSettings } from './deps';
import { problemOf } from './problem';

/** Answers on a socket that Express does not have: the same problem document as anywhere, then the end. */
export function refuseOver(
  socket: Duplex,
  refusal: Refusal,
  { public_url, path }: { public_url: string; path: string },
): void {
  socket.on('error', () => socket.destroy()); // a client that left meanwhile must not end the process
  const request_id = newId('req');
  const problem = problemOf(refusal, { public_url, path, request_id });
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${request_id}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Bytes that are no HTTP request never reach Express; their sender is told as everybody else is. */
export function refuseBadBytes(server: Server, { public_url }: Pick<ApiSettings, 'public_url'>): void {
  const replies = new WeakMap<Duplex, ServerResponse>();
  server.on('request', (req, res) => replies.set(req.socket, res));
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    const reply = replies.get(socket);
    const speaking = reply !== undefined && reply.headersSent && !reply.writableFinished;
    // In the middle of another reply a problem document would be taken for a part of it.
    if (speaking || !socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const detail =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? 'The headers are larger than this service takes.'
        : 'The bytes that came are no complete HTTP/1.1 request.';
    refuseOver(socket, new Refusal('invalid_request', detail), { public_url, path: '/' });
  });
}
