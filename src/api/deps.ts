import type { AnswerForecast } from '../planning/estimate';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { ApiMetrics } from '../telemetry/api-metrics';
import type { LogContext } from '../telemetry/context';
import type { Logger } from '../telemetry/logger';
import type { ApiKey } from '../db/api-keys';
import type { Database } from '../db/database';
import type { Admission } from '../db/stream-tickets';
import type { EventHub } from '../events/hub';
import type { InputCheck } from '../planning/input-check';
import type { Breaker } from '../contracts/model-endpoint';
import type { RateLimit } from '../contracts/rate-limit';
import type { Rules } from '../contracts/rules';
import type { RunWaker } from '../runs/run-workflows';
import type { Registry } from '../tools/registry';
import type { Load } from './load';
import type { Quotas, RateLimits } from './rate-limits';
import type { SocketLimits } from './socket-limits';
import type { StreamLimits } from './stream/limits';
import type { OpenStreams } from './stream/open-streams';

/** What the API is made of. */
export interface ApiDeps {
  /** The record; a route sees it as its caller's tenant does. */
  db: Pick<Database, 'of'>;
  /** The key with this secret, if it is accepted. */
  findKey(secret: string): Promise<ApiKey | undefined>;
  /** Looks a key up again when it is next used, because it was changed here. */
  forgetKey(id: string): void;
  /** Requests of each key. */
  limits: RateLimits;
  load: Load;
  /** Hears of every request that is refused because its key has made too many of that kind. */
  onRefused?: (limit: RateLimit) => void;
  /** What a ticket opens, if it is accepted. It is used up by asking. */
  useTicket(ticket: string): Promise<Admission | undefined>;
  hub: EventHub;
  /** The streams of this process. */
  streams: OpenStreams;
  workflows: RunWaker;
  tools: Registry;
  checkInput: InputCheck;
  rules: Rules;
  /** What a model's answer to a goal may cost; null where there is no model. */
  forecastAnswer(goal: string): AnswerForecast | null;
  log: Logger;
  /** What every line of the log says of the request that is being served. */
  context: LogContext;
  metrics: ApiMetrics;
  /** All metrics of the process, for those who scrape them. */
  register: MetricsRegistry;
  settings: ApiSettings;
  /** Aborted when the process begins to stop. */
  stopping: AbortController;
  /** What `/readyz` looks at; each throws when its part is not well. `models`: the breaker of each endpoint. */
  checks: {
    postgres(): Promise<void>;
    temporal(): Promise<void>;
    models(): Promise<Record<string, Breaker['state']>>;
  };
}

export interface ApiSettings {
  /** Of this release. */
  version: string;
  /** How clients reach the API, without a slash at the end. */
  public_url: string;
  /** Whose word on a client's address is taken, as Express takes it. */
  trust_proxy: false | number | string[];
  /** Web pages that may call from another origin. */
  allowed_origins: string[];
  sockets: SocketLimits;
  /** Size of a request body, bytes. */
  body_limit: number;
  /** Requests a minute that a key may make where it has no limits of its own. */
  quotas: Quotas;
  /** What the runs of a key may spend on models a day where it has no limit of its own, USD; null: no limit. */
  usd_per_day: number | null;
  /** Runs of a tenant that have not ended, at most. */
  open_runs: number;
  temporal_namespace: string;
  temporal_ui_url: string;
  stream: StreamLimits;
}
