/** How long streams wait for their readers, and how many there may be. */
export interface StreamLimits {
  /** A WebSocket client without a key in its headers or address sends one in its first frame within this time, milliseconds. */
  auth_within_ms: number;
  /** Pause between two signs of life, milliseconds. */
  heartbeat_ms: number;
  /** How long a reader may leave its buffer full without taking anything before it is let go, milliseconds. */
  patience_ms: number;
  /** Pause between two looks at whether the keys of open streams are still accepted, milliseconds: a revoked key must end them within 5 s. */
  keys_every_ms: number;
  /** Streams that one key may have open in one process. */
  per_key: number;
}

/** What the service serves with; tests are less patient. */
export const STREAM_LIMITS: StreamLimits = {
  auth_within_ms: 5_000,
  heartbeat_ms: 15_000,
  patience_ms: 30_000,
  keys_every_ms: 2_000,
  per_key: 1_000,
};
