import { PlanDraft, type PlanEstimate } from '../../contracts/plan-estimate';
import { SubmitRun } from '../../contracts/run';
import type { PlanView } from '../../contracts/round-views';
import { isTerminal } from '../../contracts/run-status';
import type { Records } from '../../db/database';
import { readPlanViews, readVerdictViews } from '../../db/round-views';
import type { RunRow } from '../../db/runs';
import { readToolDurations } from '../../db/tool-durations';
import { estimatePlan } from '../../planning/estimate';
import type { ApiDeps } from '../deps';
import { route } from '../route';
import { PREFER, PREFERENCE_APPLIED, waitFor, waitPreferred } from '../wait';
import { requireRun } from './get-run';
import { ACCEPTED, FAILURES_OF_SUBMIT, HEADERS, submit } from './start-run';

/** How long a plan is waited for where the client does not say, seconds. */
const WAIT_S = 30;

export function draftPlan(deps: ApiDeps) {
  return route({
    method: 'post',
    path: '/v1/plans',
    operation: 'draftPlan',
    summary: 'Plans a goal and says what carrying it out may take and cost. Nothing is carried out.',
    scope: 'runs:write',
    limit: 'submits',
    body: SubmitRun.omit({ mode: true }),
    headers: { ...HEADERS, ...PREFER },
    replies: {
      200: {
        description: 'The plan, or why there is none.',
        schema: PlanDraft,
        headers: { ...ACCEPTED, ...PREFERENCE_APPLIED },
      },
      202: {
        description: 'Planning goes on; the run at `Location` has its plan when it is over.',
        schema: PlanDraft,
        headers: { ...ACCEPTED, ...PREFERENCE_APPLIED },
      },
    },
    failures: FAILURES_OF_SUBMIT,
    async handle(exchange) {
      const { req, res, body, caller, records } = exchange;
      let run = await submit(deps, { ...exchange, body: { ...body, mode: 'plan_only' } });
      await waitFor(deps, res, run, { seconds: waitPreferred(req) ?? WAIT_S, until: 'end' });
      run = await requireRun(records, caller.tenant, run.id);
      res.status(isTerminal(run.status) ? 200 : 202).json(await draftOf(deps, records, run));
    },
  });
}

async function draftOf(deps: ApiDeps, records: Records, run: RunRow): Promise<PlanDraft> {
  const { id: run_id, tenant, status, error, usage } = run;
  const plan = (await readPlanViews(records, tenant, run_id)).at(-1) ?? null;
  const verdicts = await readVerdictViews(records, tenant, run_id);
  return {
    object: 'plan_draft',
    run_id,
    status,
    plan,
    verdict: verdicts.find(({ plan_version }) => plan_version === plan?.version) ?? null,
    error,
    estimate: plan === null ? null : await estimateOf(deps, records, run, plan),
    usage,
  };
}

async function estimateOf(
  { tools, forecastAnswer }: ApiDeps,
  records: Records,
  { tenant, goal }: RunRow,
  { steps, source, findings }: PlanView,
): Promise<PlanEstimate | null> {
  if (steps.length === 0 || findings.length > 0) return null;
  const seen = await readToolDurations(records, tenant, [...new Set(steps.map(({ tool }) => tool))]);
  return estimatePlan(steps, {
    toolOf: ({ tool, version }) => tools.get(tool, version)!,
    seen_s: (tool) => seen.get(tool),
    // What patterns plan is answered by a template.
    answer: source === 'pattern' ? null : forecastAnswer(goal),
  });
}
