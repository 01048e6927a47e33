import type { Socket } from 'node:net';
import type { Response } from 'express';
import { isTerminal, statusOf } from '../../contracts/run-status';
import type { RunRow } from '../../db/runs';
import type { StreamItem } from '../../events/batch';
import type { StoredEvent } from '../../events/read';
import { callerOf } from '../authenticate';
import type { ApiDeps } from '../deps';
import { Delivery, type Recipient, type Wire } from './delivery';
import type { Filter } from './filter';
import type { OpenStream } from './open-streams';
import { Outflow, type Outlet } from './outflow';

/** Pause after which a client that was cut off connects again, milliseconds. */
const RETRY_MS = 2_000;
/** Time that a client gets to take the rest when the stream must end now, milliseconds. */
const ENDS_WITHIN_MS = 1_000;
/** Proxies hold short chunks back: a heartbeat fills their buffer. */
const HEARTBEAT = `: heartbeat ${' '.repeat(2_048)}\n\n`;

const WIRE: Wire = {
  key: 'sse',
  piece_chars: 65_536, // a batch may hold hundreds of large events: in pieces it can wait
  item: frameOf,
  position: (seq) => `id: ${seq}\n${frame('stream.position', { seq })}`,
  pack: (text) => Buffer.from(text),
};

/**
 * The same in chunks of HTTP/1.1 (RFC 9112 §7.1), made once for all readers: written to the socket itself they cost half of what a
 * response takes to make them for each.
 */
const CHUNKED_WIRE: Wire = { ...WIRE, key: 'sse chunked', pack: chunk };
const HEARTBEATS = new Map([WIRE, CHUNKED_WIRE].map((wire) => [wire, wire.pack(HEARTBEAT)]));

const NONE = Object.freeze({});

/**
 * Sends the events of a run after a number as server-sent events, to its end. A disconnect cancels nothing.
 * @param after a number that the run has, from `positionOf`
 * @throws Refusal `too_many_streams`, before anything is sent
 */
export function sendEvents(
  deps: ApiDeps,
  res: Response,
  run: RunRow,
  { after, filter }: { after: number; filter: Filter },
): void {
  if (isTerminal(run.status) && after >= run.last_seq) {
    res.status(204).end(); // tells an EventSource not to come back
    return;
  }
  if (res.closed) return; // while its run was looked up: nobody would ever say so again
  const head = () =>
    res.status(200).set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
    });
  if (res.req.method === 'HEAD') return void head().end();
  const stream = new EventStream(deps, res, run.id, { after, head: run.last_seq, filter });
  deps.streams.open(stream);
  // By itself: a head that goes out together with more is kept as the hundred pieces it was made of, for as long as the stream.
  head().flushHeaders();
  res.write(`retry: ${RETRY_MS}\n\n`);
  forgetRequest(res);
  stream.begin();
}

/** Lets go of what only handlers need, such as a body: Node keeps the request for as long as the stream. */
function forgetRequest(res: Response): void {
  const { req } = res;
  req.body = req.next = undefined;
  req.headers = req.headersDistinct = req.params = NONE;
  req.rawHeaders = [];
  res.locals = { request_id: res.locals.request_id }; // for the lines of the log
}

/** One client that reads one run. There are thousands: it is told what happens by its methods, and makes no functions of its own. */
class EventStream implements OpenStream, Outlet, Recipient {
  readonly key_id: string;
  readonly wire_name = 'sse';
  private readonly wire: Wire;
  /** Where the bytes go. */
  private readonly to: Socket | Response;
  private readonly outflow: Outflow;
  private readonly delivery: Delivery;

  constructor(
    private readonly deps: ApiDeps,
    private readonly res: Response,
    private readonly run_id: string,
    { after, head, filter }: { after: number; head: number; filter: Filter },
  ) {
    this.key_id = callerOf(res).id;
    const chunked = res.req.httpVersion === '1.1'; // HTTP/1.0 has no chunks
    this.wire = chunked ? CHUNKED_WIRE : WIRE;
    this.to = chunked ? res.req.socket : res;
    this.outflow = new Outflow(this, deps.settings.stream.patience_ms);
    this.delivery = new Delivery(this, { wire: this.wire, filter, outflow: this.outflow, window: null });
    this.delivery.following = deps.hub.follow(run_id, { after, head }, this.delivery);
    res.on('close', () => this.leave());
  }

  begin(): void {
    this.delivery.next();
  }

  waiting(): number {
    return this.res.writableLength;
  }

  write(bytes: Buffer, taken?: () => void): void {
    if (taken === undefined) this.to.write(bytes);
    else this.to.write(bytes, taken);
  }

  onRoom(): void {
    this.delivery.next();
  }

  onStuck(): void {
    this.res.destroy(); // it has its last number and may come back
  }

  mayRead(): boolean {
    return true;
  }

  haveRead(): void {
    // Nobody else waits for it.
  }

  over({ type, seq }: StoredEvent): void {
    const text = frame('stream.end', { status: statusOf(type), last_seq: seq });
    this.finish(text, this.deps.settings.stream.patience_ms);
  }

  lost(err: Error): void {
    this.deps.log.warn({ err, run_id: this.run_id }, 'A stream of events broke off.');
    this.res.destroy(); // a stream that ends without its end means reconnect
  }

  beat(): void {
    if (this.outflow.full) return;
    this.delivery.tellPosition();
    this.outflow.write(HEARTBEATS.get(this.wire)!);
  }

  revoke(): void {
    this.finish('', ENDS_WITHIN_MS); // without its end: the client comes back and is refused
  }

  sayGoodbye(reconnect_after_ms: number): void {
    this.finish(`retry: ${reconnect_after_ms}\n\n`, ENDS_WITHIN_MS);
  }

  /** @param within_ms time the client gets to take what still waits for it */
  private finish(text: string, within_ms: number): void {
    this.leave();
    this.res.end(text);
    const late = setTimeout(() => this.res.destroy(), within_ms);
    this.res.on('close', () => clearTimeout(late));
  }

  private leave(): void {
    this.delivery.following!.stop();
    this.outflow.close();
    this.deps.streams.close(this);
  }
}

function chunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

function frameOf(item: StreamItem): string {
  if (item.kind === 'event') {
    // JSON has no line breaks of its own, so one `data` line carries it.
    return `id: ${item.event.seq}\nevent: ${item.event.type}\ndata: ${item.event.json}\n\n`;
  }
  const { from, to, reason } = item;
  return `id: ${to}\n${frame('stream.gap', { from, to, reason })}`;
}

function frame(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
