import type { RequestHandler } from 'express';
import { Refusal } from '../../contracts/refusal';
import { findRun, type RunRow } from '../../db/runs';
import { callerOf } from '../authenticate';
import type { ApiDeps } from '../deps';
import { runView } from '../run-view';

const RUN_ID = /^run_[0-9A-HJKMNP-TV-Z]{26}$/;

/** `GET /v1/runs/{id}`. */
export function getRun(deps: ApiDeps): RequestHandler {
  return async (req, res) => {
    const run = await requireRun(deps, callerOf(res).tenant, req.params.id);
    res.json(runView(run, deps.settings));
  };
}

/** The run of that id. @throws Refusal `not_found`, also for another tenant's. */
export async function requireRun({ db }: Pick<ApiDeps, 'db'>, tenant: string, id: unknown): Promise<RunRow> {
  const run = typeof id === 'string' && RUN_ID.test(id) ? await findRun(db, tenant, id) : undefined;
  if (run === undefined) throw new Refusal('not_found', 'There is no such run.');
  return run;
}
