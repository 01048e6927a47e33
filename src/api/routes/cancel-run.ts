import { CancelRun, Run } from '../../contracts/run';
import { isTerminal } from '../../contracts/run-status';
import { cancelRun as cancel } from '../../runs/cancel';
import type { ApiDeps } from '../deps';
import { route } from '../route';
import { runView } from '../run-view';
import { requireRun } from './get-run';

export function cancelRun(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/runs/{id}/cancel',
    operation: 'cancelRun',
    summary: 'Wishes a run cancelled.',
    scope: 'runs:write',
    body: CancelRun,
    replies: {
      202: { description: 'The run is being cancelled.', schema: Run },
      200: { description: 'The run is over.', schema: Run },
    },
    failures: ['not_found'],
    async handle({ req, res, body: { reason = null }, caller: { id: actor, tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      const run = await cancel(
        {
          records,
          workflows: deps.workflows,
          onNotWoken: (run_id, err) =>
            deps.log.warn({ run_id, err }, 'The workflow could not be woken; it is woken later.'),
        },
        { tenant, run_id: id, reason, actor, now: new Date() },
      );
      res.status(isTerminal(run.status) ? 200 : 202).json(runView(run, deps.settings));
    },
  });
}
