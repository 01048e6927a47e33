import { Refusal } from '../../contracts/refusal';
import type { ApiMetrics } from '../../telemetry/api-metrics';
import type { StreamLimits } from './limits';
import { Wheel } from './wheel';

/** Pause before clients that were sent away come back, milliseconds: at least, and spread over as much again. */
const COME_BACK_MS = 1_000;
const COME_BACK_SPREAD_MS = 4_000;

/** A stream that a client has open: server-sent events, or a WebSocket with any number of runs. */
export interface OpenStream {
  /** Id of the key it was opened with. */
  readonly key_id: string;
  readonly wire_name: 'sse' | 'websocket';
  /** Gives a sign of life, and looks for one where the wire has them. */
  beat(): void;
  /** Ends it because its key is no longer accepted. */
  revoke(): void;
  /** Ends it because the server stops. The client comes back after so many milliseconds. */
  sayGoodbye(reconnect_after_ms: number): void;
}

interface OpenStreamsDeps {
  limits: Pick<StreamLimits, 'heartbeat_ms' | 'keys_every_ms' | 'per_key'>;
  /** Which of these keys are still accepted, by their ids. */
  acceptedKeys(ids: string[]): Promise<ReadonlySet<string>>;
  /** Hears who comes and leaves. */
  metrics: Pick<ApiMetrics, 'joined' | 'left'>;
  /** Hears that the keys could not be looked at; the next look comes soon. */
  onFault(what: string, error: Error): void;
}

/**
 * All streams of this process: heartbeats from one timer, one look at all their keys at a time, and the goodbye of all of them when the
 * server stops. Timers run only while a stream is open.
 */
export class OpenStreams {
  private readonly by_key = new Map<string, Set<OpenStream>>();
  private readonly heartbeats: Wheel<OpenStream>;
  private keys: NodeJS.Timeout | undefined;
  private looking = false;
  private draining = false;

  constructor(private readonly deps: OpenStreamsDeps) {
    this.heartbeats = new Wheel(deps.limits.heartbeat_ms, (stream) => stream.beat());
  }

  /** Streams that are open now. */
  get size(): number {
    return [...this.by_key.values()].reduce((sum, streams) => sum + streams.size, 0);
  }

  /**
   * For those who do something that lasts before they open a stream: it must not be done in vain.
   * @throws Refusal as `open`
   */
  requireRoom(key_id: string): void {
    const { per_key } = this.deps.limits;
    if (this.draining) throw new Refusal('unavailable', 'The server stops; the next one takes the stream.');
    if ((this.by_key.get(key_id)?.size ?? 0) < per_key) return;
    const detail = `The key has ${per_key} open streams here, which is all it may have.`;
    throw new Refusal('too_many_streams', detail);
  }

  /** @throws Refusal `too_many_streams` when the key has as many as it may, `unavailable` when the server stops. */
  open(stream: OpenStream): void {
    this.requireRoom(stream.key_id);
    const siblings = this.by_key.get(stream.key_id) ?? new Set();
    siblings.add(stream);
    this.by_key.set(stream.key_id, siblings);
    this.heartbeats.add(stream);
    this.deps.metrics.joined(stream.wire_name);
    this.keys ??= setInterval(() => void this.lookAtKeys(), this.deps.limits.keys_every_ms);
  }

  /** Does nothing for one that is not open (any more). */
  close(stream: OpenStream): void {
    const siblings = this.by_key.get(stream.key_id);
    if (siblings?.delete(stream) !== true) return;
    this.heartbeats.remove(stream);
    this.deps.metrics.left(stream.wire_name);
    if (siblings.size === 0) this.by_key.delete(stream.key_id);
    if (this.by_key.size > 0) return;
    clearInterval(this.keys);
    this.keys = undefined;
  }

  /** Sends all readers away, each at a time of its own, and takes no more. */
  drain(): void {
    this.draining = true;
    for (const stream of [...this.by_key.values()].flatMap((streams) => [...streams])) {
      stream.sayGoodbye(Math.round(COME_BACK_MS + Math.random() * COME_BACK_SPREAD_MS));
    }
  }

  private async lookAtKeys(): Promise<void> {
    if (this.looking) return; // Postgres is slow: one question at a time
    this.looking = true;
    try {
      const ids = [...this.by_key.keys()];
      const accepted = await this.deps.acceptedKeys(ids);
      const revoked = ids.filter((id) => !accepted.has(id));
      for (const stream of revoked.flatMap((id) => [...(this.by_key.get(id) ?? [])])) stream.revoke();
    } catch (error) {
      this.deps.onFault('The keys of open streams could not be looked at', error as Error);
    } finally {
      this.looking = false;
    }
  }
}
