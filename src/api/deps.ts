import type { Logger } from '../telemetry/logger';
import type { Database } from '../db/database';
import type { EventHub } from '../events/hub';
import type { InputCheck } from '../planning/input-check';
import type { Rules } from '../contracts/rules';
import type { RunWorkflows } from '../runs/run-workflows';
import type { Registry } from '../tools/registry';
import type { StreamLimits } from './stream/limits';

/** What the API is made of. */
export interface ApiDeps {
  db: Database;
  hub: EventHub;
  workflows: RunWorkflows;
  tools: Registry;
  checkInput: InputCheck;
  rules: Rules;
  log: Logger;
  settings: ApiSettings;
  /** What `/readyz` looks at; each throws when its part is not well. */
  checks: { postgres(): Promise<void>; temporal(): Promise<void> };
}

export interface ApiSettings {
  /** How clients reach the API, without a slash at the end. */
  public_url: string;
  /** Size of a request body, bytes. */
  body_limit: number;
  /** Development keys are refused. */
  production: boolean;
  temporal_namespace: string;
  temporal_ui_url: string;
  stream: StreamLimits;
}
