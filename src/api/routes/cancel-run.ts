import { CancelRun, Run } from '../../contracts/run';
import { isTerminal } from '../../contracts/run-status';
import type { ApiKey } from '../../db/api-keys';
import type { RunRow } from '../../db/runs';
import { cancelRun as cancel } from '../../runs/cancel';
import type { WakeDeps } from '../../runs/wake';
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
    async handle({ req, res, body: { reason = null }, caller }) {
      const run = await cancelFor(deps, caller, req.params.id, reason);
      res.status(isTerminal(run.status) ? 200 : 202).json(runView(run, deps.settings));
    },
  });
}

/** Wishes a run of the caller's tenant cancelled. @throws Refusal `not_found`. */
export async function cancelFor(
  deps: ApiDeps,
  { id: actor, tenant }: ApiKey,
  run_id: unknown,
  reason: string | null,
): Promise<RunRow> {
  const records = deps.db.of(tenant);
  const { id } = await requireRun(records, tenant, run_id);
  return cancel({ records, ...waking(deps) }, { tenant, run_id: id, reason, actor });
}

/** How a run is woken from here: where that fails, the log says so. */
export function waking({ workflows, log }: Pick<ApiDeps, 'workflows' | 'log'>): WakeDeps {
  return {
    workflows,
    onNotWoken: (run_id, err) =>
      log.warn({ run_id, err }, 'The workflow could not be woken; it is woken later.'),
  };
}
