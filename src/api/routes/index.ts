import type { ApiDeps } from '../deps';
import type { Route } from '../route';
import { cancelRun } from './cancel-run';
import { deleteRun, patchRun } from './change-run';
import { createApiKey } from './create-api-key';
import { createTicket } from './create-ticket';
import { draftPlan } from './draft-plan';
import { docs, docsFile, openApi } from './docs';
import { getError, listErrors } from './errors';
import { getRun } from './get-run';
import { healthz, readyz } from './health';
import { listRuns } from './list-runs';
import { metrics } from './metrics';
import { getApiKey, listApiKeys } from './read-api-keys';
import { readEvents } from './read-events';
import { getPlan, getStep, listPlans, listSteps, listVerdicts } from './read-rounds';
import { forkRun, restartRun } from './restart-run';
import { resolveStep } from './resolve-step';
import { revokeApiKey } from './revoke-api-key';
import { rotateApiKey } from './rotate-api-key';
import { startRun, streamRun } from './start-run';
import { getTool, listTools } from './tools';
import { version } from './version';

/** Every route of the API, in the order of the reference. */
export function routesOf(deps: ApiDeps): Route[] {
  const routes: Route[] = [
    startRun(deps),
    streamRun(deps),
    draftPlan(deps),
    listRuns(deps),
    getRun(deps),
    patchRun(deps),
    deleteRun(deps),
    cancelRun(deps),
    restartRun(deps),
    forkRun(deps),
    readEvents(deps),
    createTicket(),
    listPlans(),
    getPlan(),
    listSteps(),
    getStep(),
    resolveStep(deps),
    listVerdicts(),
    listTools(deps),
    getTool(deps),
    createApiKey(deps),
    listApiKeys(),
    getApiKey(),
    revokeApiKey(deps),
    rotateApiKey(deps),
    healthz(),
    readyz(deps),
    metrics(deps),
    version(deps),
    openApi(deps, () => routes),
    docs(),
    docsFile(),
    listErrors(),
    getError(),
  ];
  return routes;
}
