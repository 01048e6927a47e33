import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { FAILURES } from '../../contracts/failure';
import { Refusal } from '../../contracts/refusal';
import { newId } from '../../db/new-id';
import type { Admission } from '../../db/stream-tickets';
import { positionOf } from '../../events/position';
import { admissionOf, keyOf, refuseOtherRun, requireScope, secretIn } from '../authenticate';
import { parse } from '../body';
import type { ApiDeps } from '../deps';
import { shed } from '../load';
import { refusalOf } from '../problem';
import { countText } from '../query';
import { countRequest } from '../rate-limits';
import { cancelFor } from '../routes/cancel-run';
import { requireRun } from '../routes/get-run';
import { runView } from '../run-view';
import { parseCursor } from './cursor';
import { filterFields, filterOf } from './filter';
import { FrameRate } from './frame-rate';
import type { OpenStream } from './open-streams';
import { Outflow, type Outlet } from './outflow';
import { frameIn, messageOf, pongOf, type ClientFrame } from './ws-frames';
import { Subscriptions, type Subscriber } from './ws-subscriptions';

/** Runs that one socket may read at once. */
const MAX_SUBS = 100;
/** Frames that may wait until what is before them is done, with what they say: as many as open and close all subscriptions. */
const MAX_WAITING = 200;
/** The one subscription that the address of a run implies. */
const SUB = 'run';
/** Largest number of unacknowledged events that a client may ask to be held to. */
const MAX_WINDOW = 10_000;
/** Time that a client gets to answer when its socket is closed early, milliseconds. */
const CLOSES_WITHIN_MS = 2_000;

const common = {
  ticket: z.string().optional(),
  window: countText(MAX_WINDOW).optional(),
};
const ManyQuery = z.strictObject(common);
const OneQuery = z.strictObject({ ...common, ...filterFields, after: z.unknown().optional() });

type Query = Record<string, unknown>;

type State =
  | { name: 'authenticating'; limit: NodeJS.Timeout; query: Query }
  | { name: 'admitting' }
  | { name: 'serving'; admission: Admission; subscriptions: Subscriptions }
  | { name: 'closed' };

/**
 * One WebSocket, with any number of runs or with one.
 *
 *   authenticating   waits for the frame `auth`, at most 5 s
 *   admitting        the key is looked up: from the headers, of a ticket in the address, or from that frame
 *   serving          `welcome`; then frames of the client, one after another, and events of its runs
 *   closed           1000 all was said, 1001 the server stops, 4400 a frame that is none, 4401 no key (any more), 4403 not allowed,
 *                    4404 no such run, 4408 too slow, 4429 too many frames or streams, 4503 Postgres away
 */
export class WsSession implements OpenStream, Outlet, Subscriber {
  key_id = '';
  readonly wire_name = 'websocket';
  private state: State = { name: 'admitting' };
  private readonly rate = new FrameRate(performance.now());
  private readonly outflow: Outflow;
  /** What the client asked for, in its order. */
  private work: Promise<void> = Promise.resolve();
  private waiting_work = 0;
  private whenRoom: (() => void) | null = null;
  private alive = true;

  /** @param run_id the run that the address names; null where the client subscribes */
  constructor(
    private readonly deps: ApiDeps,
    private readonly ws: WebSocket,
    private readonly socket: Duplex,
    private readonly run_id: string | null,
  ) {
    this.outflow = new Outflow(this, deps.settings.stream.patience_ms);
    ws.on('error', () => this.leave()); // `close` follows with the code that fits
    ws.on('close', () => this.leave());
    ws.on('pong', () => (this.alive = true));
    ws.on('ping', (bytes: Buffer) => {
      // Who asks without reading the answers gets no more of them, and is let go: they would pile up here.
      if (this.isWithinRate() && !this.outflow.full) this.outflow.write(pongOf(bytes));
    });
    // Bound: what a frame causes belongs to the log context of the session, and not to whatever the socket was opened in.
    ws.on(
      'message',
      deps.context.bind((data: RawData, binary: boolean) => this.hear(data, binary)),
    );
  }

  begin({ headers, query }: { headers: IncomingHttpHeaders; query: Query }): void {
    const secret = secretIn(headers);
    if (secret !== null) return this.admit(query, () => this.byKey(secret));
    if (query.ticket !== undefined) {
      return this.admit(query, () => admissionOf(this.deps, query.ticket, this.run_id ?? undefined));
    }
    const late = new Refusal('unauthorized', 'No key came in time.');
    const limit = setTimeout(() => this.refuse(late), this.deps.settings.stream.auth_within_ms);
    this.state = { name: 'authenticating', limit, query };
  }

  waiting(): number {
    return this.ws.bufferedAmount;
  }

  /** Without compression `ws` writes to the socket at once, so what it sends by itself stays in order with this. */
  write(bytes: Buffer, taken?: () => void): void {
    if (this.ws.readyState !== this.ws.OPEN) taken?.();
    else if (taken === undefined) this.socket.write(bytes);
    else this.socket.write(bytes, taken);
  }

  onRoom(): void {
    this.whenRoom?.();
    if (this.state.name === 'serving') this.state.subscriptions.next();
  }

  onStuck(): void {
    this.close(4408, 'slow');
  }

  send(frame: object): void {
    this.outflow.write(messageOf(JSON.stringify(frame)));
  }

  onEmpty(): void {
    if (this.run_id !== null) this.close(1000, '');
  }

  onLost(sub: string, run_id: string, err: Error): void {
    this.deps.log.warn({ err, run_id }, 'A subscription broke off.');
    this.refuse(new Refusal('unavailable', 'The record cannot be reached.'), 'unavailable', { sub });
  }

  beat(): void {
    if (this.outflow.full) return; // it is slow, and let go for that when its time is over
    if (!this.alive) return this.ws.terminate();
    this.alive = false;
    if (this.state.name === 'serving') this.state.subscriptions.tellPositions();
    this.ws.ping();
  }

  revoke(): void {
    this.refuse(new Refusal('unauthorized', 'The key is no longer accepted.'));
  }

  sayGoodbye(reconnect_after_ms: number): void {
    this.send({ type: 'goodbye', reason: 'draining', reconnect_after_ms });
    this.close(1001, 'The server stops.');
  }

  private hear(data: RawData, binary: boolean): void {
    if (this.state.name === 'closed') return;
    const frame = frameIn(data, binary);
    if (frame?.type === 'ack' && this.state.name === 'serving') {
      // One that says something new counts for nothing: there are at most as many as events were sent.
      if (this.state.subscriptions.acknowledge(frame)) return;
    }
    if (!this.isWithinRate()) return;
    if (frame === null) {
      this.refuse(new Refusal('invalid_request', 'This is no frame that is known here.'), 'bad frame');
    } else if (frame.type === 'ping') {
      if (!this.outflow.full) this.send({ type: 'pong', t: frame.t ?? null });
    } else if (this.state.name === 'authenticating') {
      if (frame.type !== 'auth') {
        return this.refuse(new Refusal('unauthorized', 'The first frame has to be `auth`.'));
      }
      clearTimeout(this.state.limit);
      this.admit(this.state.query, () => this.byKey(frame.token));
    } else if (frame.type !== 'auth' && frame.type !== 'ack') {
      this.do(() => this.obey(frame));
    }
  }

  private isWithinRate(): boolean {
    if (this.state.name === 'closed') return false;
    const verdict = this.rate.count(performance.now());
    if (verdict === 'fine') return true;
    const refusal = new Refusal('too_many_frames', 'More frames came than a client may send.');
    if (verdict === 'too many') this.sendError(refusal);
    else this.refuse(refusal);
    return false;
  }

  private async byKey(secret: string): Promise<Admission> {
    return { key: await keyOf(this.deps, secret), run_id: null };
  }

  private admit(query: Query, ask: () => Promise<Admission>): void {
    this.state = { name: 'admitting' };
    this.do(async () => {
      try {
        await this.welcome(await ask(), query);
      } catch (error) {
        this.refuse(this.refusalOf(error));
      }
    });
  }

  private async welcome(admission: Admission, query: Query): Promise<void> {
    requireScope(admission.key, 'runs:read');
    await countRequest(this.deps, admission.key, 'streams', null);
    if (this.run_id === null) {
      const { window = null } = parse(ManyQuery, query, '/query');
      this.serve(admission, { window, max: MAX_SUBS });
      return;
    }
    const { tenant } = admission.key;
    const run = await requireRun(this.deps.db.of(tenant), tenant, this.run_id);
    const { window = null, after: cursor, ...wanted } = parse(OneQuery, query, '/query');
    const after = positionOf(parseCursor(cursor, '/query/after'), run);
    this.serve(admission, { window, max: 1 })?.begin(SUB, run, { after, filter: filterOf(wanted) });
  }

  private serve(
    admission: Admission,
    { window, max }: { window: number | null; max: number },
  ): Subscriptions | undefined {
    if (this.state.name === 'closed') return undefined; // while its key was looked up
    this.key_id = admission.key.id;
    this.deps.context.add({ tenant: admission.key.tenant, key_id: this.key_id });
    this.deps.streams.open(this);
    const { deps, outflow } = this;
    const subscriptions = new Subscriptions(this, { deps, outflow, window, max });
    this.state = { name: 'serving', admission, subscriptions };
    const { heartbeat_ms } = this.deps.settings.stream;
    this.send({ type: 'welcome', session_id: newId('ses'), heartbeat_ms, window, max_subs: max });
    return subscriptions;
  }

  private async obey(frame: Exclude<ClientFrame, { type: 'auth' | 'ack' | 'ping' }>): Promise<void> {
    if (this.state.name !== 'serving') return;
    const { admission, subscriptions } = this.state;
    const { tenant } = admission.key;
    const answersTo = frame.type === 'command' ? { id: frame.id } : { sub: frame.sub };
    try {
      if (frame.type === 'unsubscribe') return subscriptions.unsubscribe(frame.sub);
      if (frame.type === 'command') return await this.carryOut(frame, admission);
      subscriptions.refuseSurplus(frame.sub);
      refuseOtherRun(admission, frame.run_id);
      const run = await requireRun(this.deps.db.of(tenant), tenant, frame.run_id);
      const after = positionOf(frame.after ?? 0, run);
      if (this.isClosed()) return;
      subscriptions.begin(frame.sub, run, { after, filter: filterOf(frame) });
    } catch (error) {
      this.sendError(this.refusalOf(error), answersTo);
    }
  }

  private async carryOut(
    { id, params }: Extract<ClientFrame, { type: 'command' }>,
    { key }: Admission,
  ): Promise<void> {
    try {
      requireScope(key, 'runs:write'); // which a ticket never has
      shed(this.deps.load);
      await countRequest(this.deps, key, 'writes', null);
      const run = await cancelFor(this.deps, key, params.run_id, params.reason ?? null);
      this.send({ type: 'result', id, ok: true, data: runView(run, this.deps.settings) });
    } catch (error) {
      this.send({ type: 'result', id, ok: false, error: errorOf(this.refusalOf(error)) });
    }
  }

  /** One thing after another, each when the client has taken what it was sent before. */
  private do(work: () => Promise<void>): void {
    if (this.waiting_work === MAX_WAITING) {
      return this.refuse(
        new Refusal('too_many_frames', 'More frames wait here than a client may send ahead.'),
      );
    }
    this.waiting_work += 1;
    this.work = this.work.then(async () => {
      this.waiting_work -= 1;
      if (this.outflow.full) await new Promise<void>((resolve) => (this.whenRoom = resolve));
      if (!this.isClosed()) await work();
    });
  }

  private isClosed(): boolean {
    return this.state.name === 'closed';
  }

  private sendError(refusal: Refusal, answersTo: { id?: string; sub?: string } = {}): void {
    this.send({ type: 'error', ...answersTo, ...errorOf(refusal), ...refusal.more });
  }

  /** Says why, and closes. */
  private refuse(refusal: Refusal, reason: string = refusal.code, answersTo = {}): void {
    if (this.isClosed()) return;
    this.sendError(refusal, answersTo);
    this.close(closeCodeOf(refusal), reason);
  }

  private refusalOf(err: unknown): Refusal {
    const refusal = refusalOf(err);
    if (refusal !== err) this.deps.log.error({ err }, 'A frame of a WebSocket could not be served.');
    return refusal;
  }

  /** A client that has everything gets time to read it. */
  private close(code: number, reason: string): void {
    if (this.isClosed()) return;
    this.leave();
    this.ws.close(code, reason);
    const within_ms = code === 1000 ? this.deps.settings.stream.patience_ms : CLOSES_WITHIN_MS;
    const late = setTimeout(() => this.ws.terminate(), within_ms);
    this.ws.once('close', () => clearTimeout(late));
  }

  private leave(): void {
    const { state } = this;
    this.state = { name: 'closed' };
    if (state.name === 'authenticating') clearTimeout(state.limit);
    if (state.name !== 'serving') return this.whenRoom?.();
    state.subscriptions.stop();
    this.outflow.close();
    this.deps.streams.close(this);
    this.whenRoom?.();
  }
}

/** The essence of a refusal, as frames carry it. */
function errorOf({ code, message }: Refusal) {
  return { code, message, retryable: FAILURES[code].kind === 'retryable' };
}

function closeCodeOf({ code }: Refusal): number {
  switch (code) {
    case 'unauthorized':
      return 4401;
    case 'forbidden':
      return 4403;
    case 'not_found':
      return 4404;
    case 'too_many_requests':
    case 'too_many_frames':
    case 'too_many_streams':
      return 4429;
    case 'unavailable':
      return 4503;
    case 'internal':
      return 1011;
    default:
      return 4400;
  }
}
