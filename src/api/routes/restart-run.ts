import { z } from 'zod';
import { ForkRun, Rerun, RestartRun } from '../../contracts/restart';
import { Refusal } from '../../contracts/refusal';
import { Run } from '../../contracts/run';
import type { Asked } from '../../runs/decide-rerun';
import { foreseeRerun, rerun, type RerunDeps } from '../../runs/rerun';
import type { ApiDeps } from '../deps';
import { booleanText } from '../query';
import { route, type Exchange } from '../route';
import { runView } from '../run-view';
import { requireRunId } from './get-run';
import { ACCEPTED, HEADERS, dayOf, idempotencyKey } from './start-run';

const Query = z.strictObject({
  dry_run: booleanText
    .optional()
    .meta({ description: 'Whether to say only what would be taken over and what would be run.' }),
});

/** What both routes have in common. */
const REPEATS = {
  method: 'post',
  scope: 'runs:write',
  limit: 'submits',
  query: Query,
  headers: HEADERS,
  replies: {
    201: { description: 'The new run.', schema: Run, headers: ACCEPTED },
    200: { description: 'What would be done, where that alone was asked for.', schema: Rerun },
  },
  failures: [
    'not_found',
    'run_not_terminal',
    'unknown_step',
    'invalid_plan',
    'idempotency_mismatch',
    'queue_full',
  ],
} as const;

export function restartRun(deps: ApiDeps) {
  return route({
    ...REPEATS,
    path: '/v1/runs/{id}/restart',
    operation: 'restartRun',
    summary: 'Repeats a run that has ended, as a new run: what did not complete, or from a step on.',
    body: RestartRun,
    handle: (exchange) => {
      const { from = 'failed', reason } = exchange.body;
      return repeat(deps, exchange, { type: 'restart', from, ...(reason !== undefined && { reason }) });
    },
  });
}

export function forkRun(deps: ApiDeps) {
  return route({
    ...REPEATS,
    path: '/v1/runs/{id}/fork',
    operation: 'forkRun',
    summary: 'Repeats a run that has ended, as a new run with something changed.',
    body: ForkRun,
    handle: (exchange) => {
      const { at: from, ...edits } = exchange.body;
      return repeat(deps, exchange, { type: 'fork', from, ...edits });
    },
  });
}

async function repeat(
  deps: ApiDeps,
  { req, res, query, caller, records }: Exchange<z.output<typeof Query>, unknown>,
  asked: Asked,
): Promise<void> {
  if (asked.model !== undefined) requireModels(deps);
  const { rules, settings, checkInput, forecastAnswer, context } = deps;
  const ground: RerunDeps = {
    records,
    rules,
    open_runs: settings.open_runs,
    tools: deps.tools.catalogue,
    checkInput,
    forecastAnswer,
  };
  const request = {
    tenant: caller.tenant,
    run_id: requireRunId(req.params.id),
    asked,
    ...dayOf(caller, settings),
  };
  const idempotency_key = idempotencyKey(req.headers['idempotency-key']);
  if (query.dry_run === true) return void res.json(await foreseeRerun(ground, request));
  const { request_id = null, trace_id = null } = context.fields();
  const submission = { ...request, idempotency_key, request_id, trace_id };
  const { run, replayed } = await rerun(ground, submission);
  context.add({ run_id: run.id });
  if (replayed) res.setHeader('Idempotent-Replayed', 'true');
  const view = runView(run, settings);
  res.status(201).setHeader('Location', view.urls.self).json(view);
}

/** @throws Refusal `invalid_request` where no model is configured: a tier would be passed over in silence. */
function requireModels({ forecastAnswer }: ApiDeps): void {
  if (forecastAnswer('') !== null) return;
  const detail = 'cannot be chosen: no language model is configured here';
  throw new Refusal('invalid_request', `/model: ${detail}`, [
    { pointer: '/model', code: 'no_models', detail },
  ]);
}
