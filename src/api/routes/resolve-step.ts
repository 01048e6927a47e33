import { ResolveStep } from '../../contracts/restart';
import { StepView } from '../../contracts/round-views';
import { resolveStep as resolve } from '../../runs/resolve';
import type { ApiDeps } from '../deps';
import { route } from '../route';
import { waking } from './cancel-run';
import { requireRun } from './get-run';
import { requireStep } from './read-rounds';

export function resolveStep(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/runs/{id}/steps/{step}/resolve',
    operation: 'resolveStep',
    summary: 'Answers whether the effect of a step happened that nobody else knows of.',
    scope: 'runs:write',
    body: ResolveStep,
    replies: { 200: { description: 'The step as it goes on.', schema: StepView } },
    failures: ['not_found', 'invalid_state'],
    async handle({ req, res, body: said, caller: { id: actor, tenant }, records }) {
      const { id: run_id } = await requireRun(records, tenant, req.params.id);
      const { id: step_id } = await requireStep(records, tenant, run_id, req.params.step);
      await resolve(
        { records, tools: deps.tools.catalogue, checkInput: deps.checkInput, ...waking(deps) },
        { tenant, run_id, step_id, actor, said },
      );
      res.json(await requireStep(records, tenant, run_id, step_id));
    },
  });
}
