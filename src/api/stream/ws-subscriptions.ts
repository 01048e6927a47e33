import { isTerminal, statusOf } from '../../contracts/run-status';
import { Refusal } from '../../contracts/refusal';
import type { StoredEvent } from '../../events/read';
import type { RunRow } from '../../db/runs';
import type { ApiDeps } from '../deps';
import { runView } from '../run-view';
import { Delivery, type Recipient } from './delivery';
import type { Filter } from './filter';
import type { Outflow } from './outflow';
import { SubscriptionWire } from './ws-frames';

/** Whose subscriptions they are. */
export interface Subscriber {
  send(frame: object): void;
  /** The last subscription has ended. */
  onEmpty(): void;
  /** A subscription broke off. */
  onLost(sub: string, run_id: string, error: Error): void;
}

interface SubscriptionsOptions {
  deps: ApiDeps;
  outflow: Outflow;
  /** Events of one subscription that may be unacknowledged; null where the client did not ask for a limit. */
  window: number | null;
  max: number;
}

/**
 * The runs that one socket reads. Whatever their number, at most one of them is having the table read for it, and they take turns: what a
 * read brings waits in memory, and would be read again when the socket is full by then.
 */
export class Subscriptions {
  private readonly by_name = new Map<string, Delivery>();
  private reading = false;
  private readonly queue = new Set<Delivery>();

  constructor(
    private readonly subscriber: Subscriber,
    private readonly options: SubscriptionsOptions,
  ) {}

  /** @throws Refusal when there is no room for one more, or it has that name already. */
  refuseSurplus(sub: string): void {
    const { max } = this.options;
    if (this.by_name.has(sub)) {
      throw new Refusal('invalid_request', 'A subscription of this name is open: unsubscribe it first.');
    }
    if (this.by_name.size >= max) {
      throw new Refusal(
        'too_many_subscriptions',
        `The socket has ${max} subscriptions, which is all it may have.`,
      );
    }
  }

  /** Says where it begins, then gives the events. @param after a number that the run has, from `positionOf` */
  begin(sub: string, run: RunRow, { after, filter }: { after: number; filter: Filter }): void {
    const { deps, outflow, window } = this.options;
    const view = runView(run, deps.settings);
    this.subscriber.send({ type: 'subscribed', sub, from_seq: after + 1, head_seq: run.last_seq, run: view });
    const recipient = new Subscription(this, sub, run.id);
    const wire = new SubscriptionWire(sub);
    const delivery = new Delivery(recipient, { wire, filter, outflow, window });
    this.by_name.set(sub, delivery);
    if (isTerminal(run.status) && after >= run.last_seq) {
      // Else it would wait for an event that never comes.
      return this.end(sub, { run_id: run.id, status: run.status, last_seq: run.last_seq });
    }
    delivery.following = deps.hub.follow(run.id, { after, head: run.last_seq }, delivery);
    delivery.next();
  }

  /** @throws Refusal `not_found` */
  unsubscribe(sub: string): void {
    const delivery = this.by_name.get(sub);
    if (delivery === undefined) throw new Refusal('not_found', 'There is no subscription of this name.');
    this.remove(sub, delivery);
    this.subscriber.send({ type: 'unsubscribed', sub });
    if (this.by_name.size === 0) this.subscriber.onEmpty();
  }

  /** @returns whether the client has told something new by it. */
  acknowledge({ sub, seq }: { sub: string; seq: number }): boolean {
    return this.by_name.get(sub)?.acknowledge(seq) ?? false;
  }

  /** Goes on where the full socket held it back. */
  next(): void {
    for (const delivery of this.by_name.values()) {
      if (this.options.outflow.full) break;
      delivery.next();
    }
    this.readNext();
  }

  tellPositions(): void {
    for (const delivery of this.by_name.values()) delivery.tellPosition();
  }

  stop(): void {
    for (const [sub, delivery] of this.by_name) this.remove(sub, delivery);
  }

  end(sub: string, how: { run_id: string; status: string; last_seq: number }): void {
    this.by_name.delete(sub);
    this.subscriber.send({ type: 'end', sub, ...how });
    if (this.by_name.size === 0) this.subscriber.onEmpty();
  }

  lose(sub: string, run_id: string, error: Error): void {
    this.by_name.delete(sub);
    this.subscriber.onLost(sub, run_id, error);
  }

  mayRead(delivery: Delivery): boolean {
    const [first = delivery] = this.queue;
    this.queue.add(delivery);
    if (this.reading || first !== delivery) return false;
    this.queue.delete(delivery);
    this.reading = true;
    return true;
  }

  haveRead(): void {
    this.reading = false;
    // Once what was read has been given, and whoever it was for stands in the queue again.
    setImmediate(() => this.readNext());
  }

  private remove(sub: string, delivery: Delivery): void {
    this.by_name.delete(sub);
    this.queue.delete(delivery);
    delivery.following?.stop();
  }

  private readNext(): void {
    for (const delivery of this.queue) {
      if (this.reading || this.options.outflow.full) return;
      delivery.next(); // takes its turn, or has no need of it any more
      if (!this.reading) this.queue.delete(delivery);
    }
  }
}

/** One run that a socket reads. */
class Subscription implements Recipient {
  constructor(
    private readonly all: Subscriptions,
    private readonly sub: string,
    private readonly run_id: string,
  ) {}

  mayRead(delivery: Delivery): boolean {
    return this.all.mayRead(delivery);
  }

  haveRead(): void {
    this.all.haveRead();
  }

  over({ type, seq }: StoredEvent): void {
    this.all.end(this.sub, { run_id: this.run_id, status: statusOf(type), last_seq: seq });
  }

  lost(error: Error): void {
    this.all.lose(this.sub, this.run_id, error);
  }
}
