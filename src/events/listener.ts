import { Client } from 'pg';
import { connectionOptions } from '../db/database';

/**
 * What is told: `longhaul_events` by record(), that a run has new events, with the run's id and nothing else; `longhaul_runs`, with an empty
 * text, that there are new runs.
 */
export type Channel = 'longhaul_events' | 'longhaul_runs';
/** How often the connection proves that it still hears, milliseconds: it notifies itself. */
const PROOF_EVERY_MS = 5_000;
/** How long its own notice may take, milliseconds. */
const PROOF_WITHIN_MS = 2_000;
/** Pauses before the connection is opened again, milliseconds. */
const RECONNECT_MS = [50, 200, 500, 1_000] as const;

export interface Listener {
  close(): Promise<void>;
}

export interface ListenerEvents {
  /** What was told: the payload. */
  onNotice(payload: string): void;
  /** The connection is there (again): whatever was told in between is lost, so everything is to be read once. */
  onConnected(): void;
  onLost(error: Error): void;
}

/**
 * Keeps a connection open that listens to a channel; a process has at most one for each. A half-open one is found by a notice to itself that
 * must come back. Nothing is promised about notices: whoever hears them also looks by itself, and is only faster by them.
 */
export function openListener(url: string, channel: Channel, events: ListenerEvents): Listener {
  return new ListeningConnection(url, channel, events);
}

class ListeningConnection implements Listener {
  private readonly self = `self:${process.pid}:${Math.random()}`;
  private client: Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly channel: Channel,
    private readonly events: ListenerEvents,
  ) {
    this.connect();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.client?.end().catch(() => undefined); // a connection that is already gone is closed
  }

  private connect(): void {
    const client = new Client(connectionOptions(this.url, 'longhaul listener'));
    this.client = client;
    const lose = (error: Error) => this.lose(client, error);
    client.on('error', lose);
    client.on('end', () => lose(new Error('The listening connection was closed.')));
    client.on('notification', ({ payload }) => this.hear(client, payload));
    client
      .connect()
      .then(() => client.query(`listen ${this.channel}`))
      .then(() => {
        if (this.closed) return; // it was closed while it connected
        this.failures = 0;
        this.events.onConnected();
        this.proveLife(client);
      })
      .catch(lose);
  }

  private hear(client: Client, payload: string | undefined): void {
    if (payload === undefined || client !== this.client) return;
    if (!payload.startsWith('self:')) return this.events.onNotice(payload);
    if (payload !== this.self) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.proveLife(client), PROOF_EVERY_MS);
  }

  private proveLife(client: Client): void {
    const silent = new Error('The listening connection went silent.');
    this.timer = setTimeout(() => this.lose(client, silent), PROOF_WITHIN_MS);
    client
      .query('select pg_notify($1, $2)', [this.channel, this.self])
      .catch((error) => this.lose(client, error));
  }

  private lose(client: Client, error: Error): void {
    if (this.closed || client !== this.client) return;
    this.client = undefined;
    clearTimeout(this.timer);
    client.end().catch(() => undefined); // it is lost either way
    this.events.onLost(error);
    this.timer = setTimeout(
      () => this.connect(),
      RECONNECT_MS[Math.min(this.failures, RECONNECT_MS.length - 1)],
    );
    this.failures += 1;
  }
}
