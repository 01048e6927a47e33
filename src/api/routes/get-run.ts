import { Refusal } from '../../contracts/refusal';
import { Run } from '../../contracts/run';
import { findRun, type RunRow } from '../../db/runs';
import type { Tx } from '../../db/tx';
import type { ApiDeps } from '../deps';
import { route } from '../route';
import { runView } from '../run-view';

export const RUN_ID = /^run_[0-9A-HJKMNP-TV-Z]{26}$/;

export function getRun({ settings }: ApiDeps) {
  return route({
    method: 'get',
    path: '/v1/runs/{id}',
    operation: 'getRun',
    summary: 'The run as it is now.',
    scope: 'runs:read',
    replies: { 200: { description: 'The run.', schema: Run } },
    failures: ['not_found'],
    async handle({ req, res, caller, records }) {
      res.json(runView(await requireRun(records, caller.tenant, req.params.id), settings));
    },
  });
}

/** The run of that id. @throws Refusal `not_found`, also for another tenant's. */
export async function requireRun(records: Tx, tenant: string, id: unknown): Promise<RunRow> {
  const run = typeof id === 'string' && RUN_ID.test(id) ? await findRun(records, tenant, id) : undefined;
  if (run === undefined) throw new Refusal('not_found', 'There is no such run.');
  return run;
}
