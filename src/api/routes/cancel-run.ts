import type { RequestHandler } from 'express';
import { CancelRun } from '../../contracts/run';
import { isTerminal } from '../../contracts/run-status';
import { cancelRun } from '../../runs/cancel';
import { callerOf } from '../authenticate';
import { parse } from '../body';
import type { ApiDeps } from '../deps';
import { runView } from '../run-view';
import { requireRun } from './get-run';

/** `POST /v1/runs/{id}/cancel`: 202 when the run is being cancelled, 200 when it is over. */
export function cancelRoute(deps: ApiDeps): RequestHandler {
  return async (req, res) => {
    const { id: actor, tenant } = callerOf(res);
    const { reason = null } = parse(CancelRun, req.body ?? {});
    const { id } = await requireRun(deps, tenant, req.params.id);
    const run = await cancelRun(
      {
        ...deps,
        onNotWoken: (run_id, err) =>
          deps.log.warn({ run_id, err }, 'The workflow could not be woken; it is woken later.'),
      },
      { tenant, run_id: id, reason, actor, now: new Date() },
    );
    res.status(isTerminal(run.status) ? 200 : 202).json(runView(run, deps.settings));
  };
}
