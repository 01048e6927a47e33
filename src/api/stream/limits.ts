/** How long streams wait for their readers, milliseconds. */
export interface StreamLimits {
  /** A WebSocket client without a key in its headers sends one in its first frame within this time. */
  auth_within_ms: number;
  /** Pause between two signs of life on a silent stream. */
  heartbeat_ms: number;
  /** How long a reader may leave its buffer full before it is let go. */
  patience_ms: number;
}

/** What the service serves with; tests are less patient. */
export const STREAM_LIMITS: StreamLimits = {
  auth_within_ms: 5_000,
  heartbeat_ms: 15_000,
  patience_ms: 30_000,
};
