import type { Registry as MetricsRegistry } from 'prom-client';
import type { ApiMetrics } from '../telemetry/api-metrics';
import type { LogContext } from '../telemetry/context';
import type { Logger } from '../telemetry/logger';
import type { ApiKey } from '../db/api-keys';
import type { Database } from '../db/database';
import type { EventHub } from '../events/hub';
import type { InputCheck } from '../planning/input-check';
import type { Rules } from '../contracts/rules';
import type { RunWorkflows } from '../runs/run-workflows';
import type { Registry } from '../tools/registry';
import type { StreamLimits } from './stream/limits';

/** What the API is made of. */
export interface ApiDeps {
  /** The record; a route sees it as its caller's tenant does. */
  db: Pick<Database, 'of'>;
  /** The key with this secret, if it is accepted. */
  findKey(secret: string): Promise<ApiKey | undefined>;
  hub: EventHub;
  workflows: RunWorkflows;
  tools: Registry;
  checkInput: InputCheck;
  rules: Rules;
  log: Logger;
  /** What every line of the log says of the request that is being served. */
  context: LogContext;
  metrics: ApiMetrics;
  /** All metrics of the process, for those who scrape them. */
  register: MetricsRegistry;
  settings: ApiSettings;
  /** What `/readyz` looks at; each throws when its part is not well. */
  checks: { postgres(): Promise<void>; temporal(): Promise<void> };
}

export interface ApiSettings {
  /** How clients reach the API, without a slash at the end. */
  public_url: string;
  /** Size of a request body, bytes. */
  body_limit: number;
  temporal_namespace: string;
  temporal_ui_url: string;
  stream: StreamLimits;
}
