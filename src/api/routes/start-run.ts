import { Refusal } from '../../contracts/refusal';
import { Run, SubmitRun } from '../../contracts/run';
import { checkPlan } from '../../planning/plan-check';
import { submitRun } from '../../runs/submit';
import type { ApiDeps } from '../deps';
import { route } from '../route';
import { runView } from '../run-view';

/** Seconds after which it is worth asking how a run goes. */
const RETRY_AFTER_S = 1;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

export function startRun(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/runs',
    operation: 'startRun',
    summary: 'Takes a run. It is accepted also when Temporal is away, and started later.',
    scope: 'runs:write',
    limit: 'submits',
    body: SubmitRun,
    headers: {
      'Idempotency-Key':
        '1 to 255 visible ASCII characters; a repeated request within 24 h gets the same run.',
    },
    replies: {
      202: {
        description: 'The run is committed.',
        schema: Run,
        headers: {
          Location: 'Address of the run.',
          'Retry-After': 'Seconds after which it is worth asking how it goes.',
          'Idempotent-Replayed': '`true` when an earlier request with this key made the run.',
        },
      },
    },
    failures: ['invalid_plan', 'idempotency_mismatch'],
    async handle({ req, res, body, caller: { tenant }, records }) {
      refuseUnsoundPlan(deps, body);
      const { request_id = null, trace_id = null } = deps.context.fields();
      const { run, replayed } = await submitRun(
        {
          records,
          workflows: deps.workflows,
          rules: deps.rules,
          onNotStarted: (run_id, err) =>
            deps.log.warn({ run_id, err }, 'Temporal did not take the run; it is started later.'),
        },
        {
          tenant,
          body,
          idempotency_key: idempotencyKey(req.headers['idempotency-key']),
          request_id,
          trace_id,
          now: new Date(),
        },
      );
      deps.context.add({ run_id: run.id });
      const view = runView(run, deps.settings);
      if (replayed) res.setHeader('Idempotent-Replayed', 'true');
      res
        .status(202)
        .set({ Location: view.urls.self, 'Retry-After': String(RETRY_AFTER_S) })
        .json(view);
    },
  });
}

/** A given plan is checked here, so that its author hears of every defect at once. */
function refuseUnsoundPlan({ tools, checkInput, rules }: ApiDeps, { plan, budget }: SubmitRun): void {
  if (plan === undefined) return;
  const max_steps = Math.min(budget?.max_steps ?? rules.max_steps, rules.max_steps);
  const findings = checkPlan(plan.steps, {
    tools: tools.catalogue,
    rules: { ...rules, max_steps },
    checkInput,
  });
  const [first] = findings;
  if (first === undefined) return;
  throw new Refusal(
    'invalid_plan',
    first.detail,
    findings.map((finding) => ({ ...finding, pointer: `/plan${finding.pointer}` })),
  );
}

function idempotencyKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === 'string' && IDEMPOTENCY_KEY.test(header)) return header;
  throw new Refusal('invalid_request', 'The Idempotency-Key must be 1 to 255 visible ASCII characters.', [
    {
      pointer: '/header/Idempotency-Key',
      code: 'invalid_format',
      detail: 'must be 1 to 255 visible ASCII characters',
    },
  ]);
}
