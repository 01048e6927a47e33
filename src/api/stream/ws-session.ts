import type { IncomingHttpHeaders } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { FAILURES } from '../../contracts/failure';
import { Refusal } from '../../contracts/refusal';
import { isTerminal } from '../../contracts/run-status';
import type { RunRow } from '../../db/runs';
import { newId } from '../../db/new-id';
import { positionOf } from '../../events/position';
import { keyOf, secretIn } from '../authenticate';
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

export interface SessionRequest {
  run_id: string;
  after: string | undefined;
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
  const { token, stop } = listenTo(ws, request.headers, gone, deps.settings.stream);
  try {
    const caller = await keyOf(deps, await token);
    const run = await requireRun(deps, caller.tenant, request.run_id);
    const after = positionOf(parseCursor(request.after, '/query/after'), run);
    send(ws, { type: 'welcome', session_id: newId('ses'), heartbeat_ms });
    const subscribed = { type: 'subscribed', sub: SUB, from_seq: after + 1, head_seq: run.last_seq };
    send(ws, { ...subscribed, run: runView(run, deps.settings) });
    await follow(deps, ws, run, after, gone.signal);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal('unavailable', 'The record cannot be reached.');
    const { code, message } = refusal;
    if (!(error instanceof Refusal)) deps.log.warn({ err: error, run_id: request.run_id }, 'A WebSocket session was ended.');
    send(ws, { type: 'error', code, message, retryable: FAILURES[code].kind === 'retryable' });
    ws.close(closeCodeOf(refusal), code);
  } finally {
    stop();
  }
}

/** Hears the client for as long as the session lasts. `token` is the secret it shows, from its headers or its first frame. */
function listenTo(ws: WebSocket, headers: IncomingHttpHeaders, gone: AbortController, limits: StreamLimits) {
  const inHeaders = secretIn(headers);
  let alive = true;
  let show: (secret: string | null) => void = () => undefined;
  const token = inHeaders === null ? new Promise<string | null>((resolve) => (show = resolve)) : Promise.resolve(inHeaders);
  const limit = setTimeout(() => show(null), limits.auth_within_ms);
  const heartbeat = setInterval(() => {
    if (!alive) return ws.terminate();
    alive = false;
    ws.ping();
  }, limits.heartbeat_ms);
  ws.on('pong', () => (alive = true));
  ws.on('error', () => gone.abort()); // `close` follows with the code that fits
  ws.on('close', () => {
    gone.abort();
    show(null);
  });
  ws.on('message', (data: RawData, binary: boolean) => {
    const frame = binary ? null : frameOf(data);
    if (frame === null) {
      send(ws, { type: 'error', code: 'invalid_request', message: 'This is no frame that is known here.', retryable: false });
      return ws.close(4400, 'bad frame');
    }
    if (frame.type === 'auth') show(frame.token);
    else send(ws, { type: 'pong', t: frame.t ?? null });
  });
  return {
    token,
    stop() {
      clearTimeout(limit);
      clearInterval(heartbeat);
    },
  };
}

async function follow(deps: ApiDeps, ws: WebSocket, run: RunRow, after: number, gone: AbortSignal): Promise<void> {
  for await (const items of deps.hub.follow(run.id, { after, head: run.last_seq }, gone)) {
    let sent: Promise<void> = Promise.resolve();
    for (const item of items) {
      sent =
        item.kind === 'event'
          ? sendText(ws, `{"type":"event","sub":"${SUB}","event":${item.event.json}}`)
          : sendText(ws, JSON.stringify({ type: 'gap', sub: SUB, from: item.from, to: item.to, reason: item.reason }));
    }
    if (ws.bufferedAmount <= HIGH_WATER || (await drained(sent, deps.settings.stream.patience_ms))) continue;
    ws.close(4408, 'slow');
    return;
  }
  if (gone.aborted) return;
  const { status, last_seq } = await requireRun(deps, run.tenant, run.id);
  if (isTerminal(status)) send(ws, { type: 'end', sub: SUB, run_id: run.id, status, last_seq });
  ws.close(isTerminal(status) ? 1000 : 1001);
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
