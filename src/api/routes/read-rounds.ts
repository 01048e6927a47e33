import { pageOf } from '../../contracts/list';
import { Refusal } from '../../contracts/refusal';
import { PlanList, PlanView, StepList, StepView, VerdictList } from '../../contracts/round-views';
import { STEP_ID } from '../../contracts/plan';
import type { Tx } from '../../db/tx';
import { readPlanViews, readStepViews, readVerdictViews } from '../../db/round-views';
import { route } from '../route';
import { requireRun } from './get-run';

export function listPlans() {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/plans',
    operation: 'listPlans',
    summary: 'Every plan that was drafted for the run, the rejected ones too.',
    scope: 'runs:read',
    replies: { 200: { description: 'The plans, oldest first.', schema: PlanList } },
    failures: ['not_found'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      res.json(pageOf(await readPlanViews(records, tenant, id), ({ version }) => String(version)));
    },
  });
}

export function getPlan() {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/plans/{version}',
    operation: 'getPlan',
    summary: 'One plan of the run.',
    scope: 'runs:read',
    replies: { 200: { description: 'The plan.', schema: PlanView } },
    failures: ['not_found'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      const version = /^[1-9]\d{0,5}$/.exec(String(req.params.version))?.[0];
      const [plan] = version === undefined ? [] : await readPlanViews(records, tenant, id, Number(version));
      if (plan === undefined) throw new Refusal('not_found', 'The run has no such plan.');
      res.json(plan);
    },
  });
}

export function listSteps() {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/steps',
    operation: 'listSteps',
    summary: 'The steps of the plan that is carried out, with inputs, outputs and failures.',
    scope: 'runs:read',
    replies: { 200: { description: 'The steps in the order of the plan.', schema: StepList } },
    failures: ['not_found'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      res.json(pageOf(await readStepViews(records, tenant, id), (step) => step.id));
    },
  });
}

export function getStep() {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/steps/{step}',
    operation: 'getStep',
    summary: 'One step of the run.',
    scope: 'runs:read',
    replies: { 200: { description: 'The step.', schema: StepView } },
    failures: ['not_found'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      res.json(await requireStep(records, tenant, id, req.params.step));
    },
  });
}

export function listVerdicts() {
  return route({
    method: 'get',
    path: '/v1/runs/{id}/verdicts',
    operation: 'listVerdicts',
    summary: 'What the judge said of the plans.',
    scope: 'runs:read',
    replies: { 200: { description: 'The verdicts, oldest first.', schema: VerdictList } },
    failures: ['not_found'],
    async handle({ req, res, caller: { tenant }, records }) {
      const { id } = await requireRun(records, tenant, req.params.id);
      const verdicts = await readVerdictViews(records, tenant, id);
      res.json(pageOf(verdicts, ({ plan_version }) => String(plan_version)));
    },
  });
}

/** A step of a run. @throws Refusal `not_found` */
export async function requireStep(
  records: Tx,
  tenant: string,
  run_id: string,
  id: unknown,
): Promise<StepView> {
  const isId = typeof id === 'string' && STEP_ID.test(id);
  const [step] = isId ? await readStepViews(records, tenant, run_id, id) : [];
  if (step === undefined) throw new Refusal('not_found', 'The run has no such step.');
  return step;
}
