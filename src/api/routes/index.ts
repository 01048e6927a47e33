import type { ApiDeps } from '../deps';
import type { Route } from '../route';
import { cancelRun } from './cancel-run';
import { createApiKey } from './create-api-key';
import { getRun } from './get-run';
import { healthz, readyz } from './health';
import { getApiKey, listApiKeys } from './read-api-keys';
import { readEvents } from './read-events';
import { revokeApiKey } from './revoke-api-key';
import { rotateApiKey } from './rotate-api-key';
import { startRun } from './start-run';

/** Every route of the API, in the order of the reference. */
export function routesOf(deps: ApiDeps): Route[] {
  return [
    startRun(deps),
    getRun(deps),
    cancelRun(deps),
    readEvents(deps),
    createApiKey(deps),
    listApiKeys(),
    getApiKey(),
    revokeApiKey(deps),
    rotateApiKey(deps),
    healthz(),
    readyz(deps),
  ];
}
