import type { Batch, StreamItem } from '../../events/batch';
import type { Following, Reader } from '../../events/following';
import type { StoredEvent } from '../../events/read';
import { isDelta, type Filter } from './filter';
import type { Outflow } from './outflow';

/** How the frames of a wire look. */
export interface Wire {
  /** Wires with the same key carry the same bytes. */
  readonly key: string;
  /** Characters that are put together into one piece; 0 where every frame is a message of its own. */
  readonly piece_chars: number;
  item(item: StreamItem): string;
  position(seq: number): string;
  /** Text as the bytes that go to the network. */
  pack(text: string): Buffer;
}

/** What is handed over at once, and the last number that is in it. */
interface Piece {
  bytes: Buffer;
  to: number;
  /** Whether it holds an event; else a gap. */
  event: boolean;
}

/** A batch as one wire carries it through one filter. */
interface Rendering {
  pieces: Piece[];
  /** The last number that was looked at, where what came last was left out. */
  left_out: number | null;
}

/** A filtered reader is told its position at most this often, milliseconds; the rest waits for the heartbeat. */
const POSITION_EVERY_MS = 1_000;

/** Whom a delivery is for. */
export interface Recipient {
  /** Asked before the table is read for it: who says no calls `next` later. */
  mayRead(delivery: Delivery): boolean;
  /** The read is over. */
  haveRead(): void;
  /** Everything was sent. */
  over(end: StoredEvent): void;
  lost(error: Error): void;
}

interface DeliveryOptions {
  wire: Wire;
  filter: Filter;
  outflow: Outflow;
  /** Events that may be sent and not acknowledged; null where none have to be. */
  window: number | null;
}

/**
 * Turns the events of a run into frames for one client. A reader of the past gets it at its own speed. One that was up to date and then
 * became too slow is spared the deltas it has missed, and told so by a gap; states are never left out.
 */
export class Delivery implements Reader {
  following: Following | undefined;
  private unacknowledged: number[] = [];
  private up_to_date = false;
  private held_back = false;
  /** Deltas up to this number are no longer of use. */
  private stale_to = 0;
  private untold: number | null = null;
  private told_at = -Infinity;

  constructor(
    private readonly recipient: Recipient,
    private readonly options: DeliveryOptions,
  ) {}

  /** Goes on where it was held back. */
  next(): void {
    if (this.held_back && this.up_to_date) this.stale_to = this.following!.head;
    this.held_back = false;
    this.following!.next();
  }

  /** The client has everything up to this number. @returns whether that was news. */
  acknowledge(seq: number): boolean {
    const rest = this.unacknowledged.findIndex((sent) => sent > seq);
    const count = rest === -1 ? this.unacknowledged.length : rest;
    if (count === 0) return false;
    this.unacknowledged.splice(0, count);
    if (this.held_back) this.next();
    return true;
  }

  wants(source: 'live' | 'table'): boolean {
    if (!this.isHeldBack()) return source === 'live' || this.recipient.mayRead(this);
    this.held_back = true;
    return false;
  }

  haveRead(): void {
    this.recipient.haveRead();
  }

  take(batch: Batch, source: 'live' | 'table'): number {
    if (source === 'live') this.up_to_date = true;
    const { wire, filter, outflow, window } = this.options;
    const isStale = batch.after < this.stale_to;
    const { pieces, left_out } = isStale
      ? rendered(batch, wire, filter, this.stale_to)
      : batch.once(`${wire.key} ${filter.key}`, () => rendered(batch, wire, filter, 0));
    let taken = batch.after;
    for (const { bytes, to, event } of pieces) {
      if (this.isHeldBack()) {
        this.held_back = true;
        return taken;
      }
      outflow.write(bytes);
      if (event && window !== null) this.unacknowledged.push(to);
      this.untold = null;
      taken = to;
    }
    if (left_out !== null) this.owePosition(left_out);
    return batch.last.seq;
  }

  over(end: StoredEvent): void {
    this.tellPosition();
    this.recipient.over(end);
  }

  lost(error: Error): void {
    this.recipient.lost(error);
  }

  /** Tells a filtered reader how far it is, if it does not know. */
  tellPosition(): void {
    if (this.untold === null) return;
    const { outflow, wire } = this.options;
    outflow.write(wire.pack(wire.position(this.untold)));
    this.untold = null;
    this.told_at = performance.now();
  }

  private owePosition(seq: number): void {
    this.untold = seq;
    if (performance.now() - this.told_at >= POSITION_EVERY_MS) this.tellPosition();
  }

  private isHeldBack(): boolean {
    const { outflow, window } = this.options;
    return outflow.full || (window !== null && this.unacknowledged.length >= window);
  }
}

function rendered(batch: Batch, wire: Wire, filter: Filter, stale_to: number): Rendering {
  const pieces: Piece[] = [];
  let text = '';
  let to = batch.after;
  let left_out: number | null = null;
  let event = false;
  const cut = () => {
    if (text !== '') pieces.push({ bytes: wire.pack(text), to, event });
    text = '';
  };
  for (const item of withoutStale(batch.items, filter, stale_to)) {
    if (item.kind === 'event' && !filter.passes(item.event)) {
      left_out = item.event.seq;
      continue;
    }
    event = item.kind === 'event';
    text += wire.item(item);
    to = item.kind === 'event' ? item.event.seq : item.to;
    left_out = null;
    if (text.length > wire.piece_chars) cut();
  }
  cut();
  return { pieces, left_out };
}

/** Puts a gap in the place of deltas that came too late for a slow reader. */
function withoutStale(items: readonly StreamItem[], filter: Filter, stale_to: number): readonly StreamItem[] {
  if (stale_to === 0) return items;
  const kept: StreamItem[] = [];
  for (const item of items) {
    const last = kept.at(-1);
    const isStale = item.kind === 'event' && item.event.seq <= stale_to && isDelta(item.event);
    if (!isStale || !filter.passes(item.event)) kept.push(item);
    else if (last?.kind === 'gap' && last.reason === 'slow') last.to = item.event.seq;
    else kept.push({ kind: 'gap', from: item.event.seq, to: item.event.seq, reason: 'slow' });
  }
  return kept;
}
