import type { IncomingHttpHeaders } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { FAILURES } from '../../contracts/failure';
import { Refusal } from '../../contracts/refusal';
import { isTerminal } from '../../contracts/run-status';
import type { RunRow } from '../../db/runs';
import { newId } from '../../db/new-id';
import { positionOf } from '../../events/position';
import type { StreamItem } from '../../events/topic';
import { keyOf, secretIn } from '../authenticate';
import { parse } from '../body';
import type { ApiDeps } from '../deps';
import { requireRun } from '../routes/get-run';
import { runView } from '../run-view';
import { parseCursor } from './cursor';
import type { StreamLimits } from './limits';
import { drained } from './patience';

/** Unsent bytes above which nothing more is sent until the client has read. */
const HIGH_WATER = 1_000_000;
/** The one subscription that the address implies. */
const SUB = 'run';

const Frame = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('auth'), token: z.string().max(200) }),
  z.strictObject({ type: z.literal('ping'), t: z.union([z.number(), z.string().max(100)]).optional() }),
]);
type Frame = z.infer<typeof Frame>;

const Query = z.strictObject({ after: z.unknown().optional() });

export interface SessionRequest {
  run_id: string;
  query: object;
  headers: IncomingHttpHeaders;
}

/**
 * One reader of one run:
 *
 *   authenticating   a key from the headers, or the frame `auth` within 5 s; else 4401
 *   following        `welcome`, `subscribed`, then `event` … `end`, and 1000
 *   closing          4400 a frame that is none, 4404 no such run, 4408 too slow, 4503 Postgres away
 */
export async function serveSession(deps: ApiDeps, ws: WebSocket, request: SessionRequest): Promise<void> {
  const gone = new AbortController();
  const { heartbeat_ms } = deps.settings.stream;
  const left = deps.metrics.joined('websocket');
  const { token, stop } = listenTo(ws, request.headers, gone, deps.settings.stream);
  try {
    const caller = await keyOf(deps, await token);
    const records = deps.db.of(caller.tenant);
    const run = await requireRun(records, caller.tenant, request.run_id);
    const { after: cursor } = parse(Query, request.query, '/query');
    const after = positionOf(parseCursor(cursor, '/query/after'), run);
    send(ws, { type: 'welcome', session_id: newId('ses'), heartbeat_ms });
    const subscribed = { type: 'subscribed', sub: SUB, from_seq: after + 1, head_seq: run.last_seq };
    send(ws, { ...subscribed, run: runView(run, deps.settings) });
    await follow(deps, ws, run, after, gone.signal);
  } catch (error) {
    const refusal =
      error instanceof Refusal ? error : new Refusal('unavailable', 'The record cannot be reached.');
    const { code, message, more } = refusal;
    if (!(error instanceof Refusal))
      deps.log.warn({ err: error, run_id: request.run_id }, 'A WebSocket session was ended.');
    send(ws, { type: 'error', code, message, retryable: FAILURES[code].kind === 'retryable', ...more });
    ws.close(closeCodeOf(refusal), code);
  } finally {
    stop();
    left();
  }
}

/** Hears the client for as long as the session lasts. `token` is the secret it shows, from its headers or its first frame. */
function listenTo(ws: WebSocket, headers: IncomingHttpHeaders, gone: AbortController, limits: StreamLimits) {
  const inHeaders = secretIn(headers);
  let alive = true;
  let show: (secret: string | null) => void = () => undefined;
  const token =
    inHeaders === null
      ? new Promise<string | null>((resolve) => (show = resolve))
      : Promise.resolve(inHeaders);
  const limit = setTimeout(() => show(null), limits.auth_within_ms);
  const heartbeat = setInterval(() => {
    if (!alive) return ws.terminate();
    alive = false;
    ws.ping();
  }, limits.heartbeat_ms);
  // Who asks without reading the answers gets no more of them: they would pile up here.
  ws.on('ping', (bytes) => ws.bufferedAmount <= HIGH_WATER && ws.pong(bytes));
  ws.on('pong', () => (alive = true));
  ws.on('error', () => gone.abort()); // `close` follows with the code that fits
  ws.on('close', () => {
    gone.abort();
    show(null);
  });
  ws.on('message', (data: RawData, binary: boolean) => {
    const frame = binary ? null : frameOf(data);
    if (frame === null) {
      send(ws, {
        type: 'error',
        code: 'invalid_request',
        message: 'This is no frame that is known here.',
        retryable: false,
      });
      return ws.close(4400, 'bad frame');
    }
    if (frame.type === 'auth') show(frame.token);
    else if (ws.bufferedAmount <= HIGH_WATER) send(ws, { type: 'pong', t: frame.t ?? null });
  });
  return {
    token,
    stop() {
      clearTimeout(limit);
      clearInterval(heartbeat);
    },
  };
}

async function follow(
  deps: ApiDeps,
  ws: WebSocket,
  run: RunRow,
  after: number,
  gone: AbortSignal,
): Promise<void> {
  const isOver = isTerminal(run.status) && after >= run.last_seq;
  if (isOver) return sayEnd(ws, run); // else it would wait for an event that never comes
  for await (const items of deps.hub.follow(run.id, { after, head: run.last_seq }, gone)) {
    for (const item of items) {
      const sent = sendText(ws, textOf(item));
      if (gone.aborted) return;
      if (ws.bufferedAmount <= HIGH_WATER || (await drained(sent, deps.settings.stream.patience_ms)))
        continue;
      ws.close(4408, 'slow');
      return;
    }
  }
  if (!gone.aborted) sayEnd(ws, await requireRun(deps.db.of(run.tenant), run.tenant, run.id));
}

/** A stream that is over says so; one that only breaks off does not, and its reader comes back. */
function sayEnd(ws: WebSocket, { id, status, last_seq }: RunRow): void {
  if (isTerminal(status)) send(ws, { type: 'end', sub: SUB, run_id: id, status, last_seq });
  ws.close(isTerminal(status) ? 1000 : 1001);
}

function textOf(item: StreamItem): string {
  if (item.kind === 'event') return `{"type":"event","sub":"${SUB}","event":${item.event.json}}`;
  const { from, to, reason } = item;
  return JSON.stringify({ type: 'gap', sub: SUB, from, to, reason });
}

function frameOf(data: RawData): Frame | null {
  try {
    const parsed = Frame.safeParse(JSON.parse(String(data)));
    return parsed.success ? parsed.data : null;
  } catch {
    return null; // not JSON: as bad as any other frame that is none
  }
}

function closeCodeOf({ code }: Refusal): number {
  if (code === 'unauthorized') return 4401;
  if (code === 'not_found') return 4404;
  return code === 'unavailable' ? 4503 : 4400;
}

function send(ws: WebSocket, frame: object): void {
  void sendText(ws, JSON.stringify(frame));
}

/** Resolves when the text was handed to the network, or the socket is gone. */
function sendText(ws: WebSocket, text: string): Promise<void> {
  return new Promise((resolve) => ws.send(text, () => resolve()));
}
