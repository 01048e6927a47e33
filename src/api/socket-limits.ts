/** What the sockets of a server may take, so that no client keeps others from being served. */
export interface SocketLimits {
  /** Open connections at once; further ones are dropped. */
  connections: number;
  /** The same of one address that is no trusted proxy. */
  connections_per_address: number;
  /** Time in which all headers of a request come, milliseconds. */
  headers_within_ms: number;
  /** Time in which a whole request comes, its body too, milliseconds. */
  request_within_ms: number;
  /** How long a connection may wait for its next request, milliseconds. */
  idle_ms: number;
  /** How often the two times above are looked at, milliseconds. */
  check_every_ms: number;
}

/** What the service serves with; tests are less patient. */
export const SOCKET_LIMITS: SocketLimits = {
  connections: 20_000,
  connections_per_address: 20_000,
  headers_within_ms: 10_000,
  request_within_ms: 30_000,
  // Longer than proxies keep their connections (60 s as a rule): who closes first must be the one that sends requests.
  idle_ms: 75_000,
  check_every_ms: 1_000,
};

/** Bytes of the headers of one request. */
export const MAX_HEADER_BYTES = 16_384;
/** Headers of one request. */
export const MAX_HEADERS = 100;
