import type { ApiDeps } from '../deps';
import type { Route } from '../route';
import { cancelRun } from './cancel-run';
import { getRun } from './get-run';
import { healthz, readyz } from './health';
import { metrics } from './metrics';
import { readEvents } from './read-events';
import { startRun } from './start-run';

/** Every route of the API, in the order of the reference. */
export function routesOf(deps: ApiDeps): Route[] {
  return [
    startRun(deps),
    getRun(deps),
    cancelRun(deps),
    readEvents(deps),
    healthz(),
    readyz(deps),
    metrics(deps),
  ];
}
