import { Refusal } from '../../contracts/refusal';
import { PatchRun, Run } from '../../contracts/run';
import { isTerminal } from '../../contracts/run-status';
import { deleteRun as remove, labelRun } from '../../db/runs';
import type { ApiDeps } from '../deps';
import { ETAG, IF_MATCH, changed, revisionWanted, tag, tagOf } from '../preconditions';
import { route } from '../route';
import { runView } from '../run-view';
import { requireRun } from './get-run';

export function patchRun({ settings }: ApiDeps) {
  return route({
    method: 'patch',
    path: '/v1/runs/{id}',
    operation: 'patchRun',
    summary: 'Changes tags and metadata of a run; what is given replaces what was there.',
    scope: 'runs:write',
    body: PatchRun,
    headers: IF_MATCH,
    replies: { 200: { description: 'The run with its new labels.', schema: Run, headers: ETAG } },
    failures: ['not_found', 'precondition_failed'],
    async handle({ req, res, body: { metadata = null, tags = null }, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      if (!(await labelRun(records, tenant, id, { metadata, tags }, revisionWanted(req)))) throw changed();
      const run = await requireRun(records, tenant, id);
      tag(res, tagOf(run));
      res.json(runView(run, settings));
    },
  });
}

export function deleteRun(_deps: ApiDeps) {
  return route({
    method: 'delete',
    path: '/v1/runs/{id}',
    operation: 'deleteRun',
    summary: 'Removes a run that has ended, with its events. What its tools did stays done.',
    scope: 'runs:write',
    headers: IF_MATCH,
    replies: { 204: { description: 'It is gone.' } },
    failures: ['not_found', 'run_not_terminal', 'precondition_failed'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      const wanted = revisionWanted(req);
      if (!(await records.transaction((tx) => remove(tx, tenant, id, wanted)))) {
        const { status } = await requireRun(records, tenant, id);
        if (isTerminal(status)) throw changed();
        throw new Refusal('run_not_terminal', `The run is ${status}.`);
      }
      res.status(204).end();
    },
  });
}
