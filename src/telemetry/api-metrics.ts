import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Bounds of a request's duration and of a stream's lag, seconds. */
const REQUEST_S = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const LAG_S = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];

export type Wire = 'sse' | 'websocket';

/** What the parts of the API report as it happens. */
export interface ApiMetrics {
  /** A request is over. `route` is the pattern of its address. Streams last as long as their readers like: they have no duration here. */
  request(request: {
    method: string;
    route: string;
    status: number;
    duration_s: number;
    stream: boolean;
  }): void;
  /** A limit of requests refused one; `limit` is the limit's name. */
  refused(limit: string): void;
  /** A reader came. */
  joined(wire: Wire): void;
  /** It has left. */
  left(wire: Wire): void;
  /** Events were read for live readers this long after they were stored. Seconds. */
  lag(seconds: number): void;
}

export function createApiMetrics(register: Registry): ApiMetrics {
  const registers = [register];
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests that are over, by method, pattern of the address and status.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'From a request to the end of its reply, streams left out.',
    labelNames: ['method', 'route'],
    buckets: REQUEST_S,
    registers,
  });
  const refusals = new Counter({
    name: 'rate_limit_refusals_total',
    help: 'Requests that a limit refused, by limit.',
    labelNames: ['limit'],
    registers,
  });
  const readers = new Gauge({
    name: 'stream_readers',
    help: 'Open streams, by wire.',
    labelNames: ['wire'],
    registers,
  });
  const lags = new Histogram({
    name: 'stream_lag_seconds',
    help: 'From the time of an event to its being read for live readers.',
    buckets: LAG_S,
    registers,
  });
  return {
    request({ method, route, status, duration_s, stream }) {
      requests.inc({ method, route, status });
      if (!stream) durations.observe({ method, route }, duration_s);
    },
    refused: (limit) => refusals.inc({ limit }),
    joined: (wire) => readers.inc({ wire }),
    left: (wire) => readers.dec({ wire }),
    lag: (seconds) => lags.observe(seconds),
  };
}
