import { Refusal } from '../contracts/refusal';
import type { ResolveStep } from '../contracts/restart';
import type { Rules } from '../contracts/rules';
import type { StepStatus } from '../contracts/run-status';
import type { Records } from '../db/database';
import { settleEffects } from '../db/effects';
import { newId } from '../db/new-id';
import { lockRun } from '../db/runs';
import { endWait, lockStepsOf, someWait, writeStep } from '../db/steps';
import type { Tx } from '../db/tx';
import { subjectOf } from '../db/wishes';
import { append, type NewEvent, type RunChange } from '../events/append';
import { carried, keyOf } from '../events/step-facts';
import type { InputCheck } from '../planning/input-check';
import type { Catalogue } from '../tools/registry';
import { wake, type WakeDeps } from './wake';

export interface ResolveDeps extends WakeDeps {
  /** The record as the tenant sees it. */
  records: Records;
  tools: Catalogue;
  checkInput: InputCheck;
}

/** What a person says of a step that waits for it. */
export interface Resolution {
  tenant: string;
  run_id: string;
  step_id: string;
  /** Who says it: the id of the key. */
  actor: string;
  said: ResolveStep;
}

/** A step with what is needed to go on with it. */
interface AskingStep {
  plan_version: number;
  status: StepStatus;
  fence: number;
  tool: string;
  tool_version: string;
  effect_scope: string;
  rules: Rules;
  attempt: number;
}

/**
 * Answers whether the effect of a step happened: it completes with the output that is given, or its tool is called again. Decided once, as a
 * wish, under the locks of the step and the run, together with its events; the signal afterwards only wakes the workflow.
 * @throws Refusal `not_found`, `invalid_state` (the step waits for no answer), `invalid_request` (an output that does not fit).
 */
export async function resolveStep(deps: ResolveDeps, resolution: Resolution): Promise<void> {
  const { run_id } = resolution;
  await deps.records.transaction((tx) => decide(tx, deps, resolution));
  await wake(deps, run_id);
}

async function decide(tx: Tx, deps: ResolveDeps, resolution: Resolution): Promise<void> {
  const { tenant, run_id, step_id, actor, said } = resolution;
  await lockStepsOf(tx, run_id);
  const step = await asking(tx, resolution);
  const { plan_version, fence, attempt } = step;
  const ref = { run_id, plan_version, step_id };
  const { outcome, reason, output = null } = said;
  if (outcome === 'done') refuseMisfit(deps, step, output, said.output === undefined);

  await endWait(tx, ref);
  await settleEffects(
    tx,
    { effect_scope: step.effect_scope, step_id },
    outcome === 'done' ? { happened: true, output } : { happened: false },
  );
  await tx.query(
    `insert into wishes (id, run_id, tenant, attempt, kind, subject, actor, reason, body)
     values ($1, $2, $3, $4, 'resolve', $5, $6, $7, $8)`,
    [newId('wish'), run_id, tenant, attempt, subjectOf(step_id, fence), actor, reason, JSON.stringify(said)],
  );
  const events: NewEvent[] = [
    {
      key: keyOf(ref, `resolved:${fence}`),
      type: 'step.resolved',
      step_id,
      data: { outcome, actor, reason },
    },
  ];
  if (outcome === 'done') {
    await writeStep(tx, ref, fence, { status: 'completed', output });
    const data = { ...carried('output', output, ref), duration_ms: 0, reused: true };
    events.push({ key: keyOf(ref, 'ended'), type: 'step.completed', step_id, data });
  }
  const { event, change } = await goneOn(tx, run_id, `${step_id}:${fence}`);
  await append(tx, run_id, { attempt, events: [...events, ...event], change });
}

/** The step that asks, its row locked. @throws Refusal `not_found`, `invalid_state` */
async function asking(tx: Tx, { tenant, run_id, step_id }: Resolution): Promise<AskingStep> {
  const [step] = await tx.query<AskingStep>(
    `select s.plan_version, s.status, s.fence, s.tool, s.tool_version, s.effect_scope, r.rules, r.attempt
     from steps s join runs r on r.id = s.run_id and r.plan_version = s.plan_version
     where r.id = $1 and r.tenant = $2 and s.id = $3 for update of s`,
    [run_id, tenant, step_id],
  );
  if (step === undefined) throw new Refusal('not_found', 'The run has no such step.');
  if (step.status === 'waiting') return step;
  throw new Refusal('invalid_state', `The step is ${step.status}: it waits for no answer.`);
}

/** Other steps count on what the tool promises to return. @throws Refusal `invalid_request` */
function refuseMisfit(
  { tools, checkInput }: ResolveDeps,
  { tool, tool_version, rules }: AskingStep,
  output: unknown,
  absent: boolean,
): void {
  const bytes = Buffer.byteLength(JSON.stringify(output));
  const card = tools.find(tool, tool_version);
  const problems =
    bytes > rules.max_output_bytes
      ? [{ pointer: '', code: 'too_big', detail: `has more than ${rules.max_output_bytes} bytes` }]
      : (card ? checkInput.output(card, output) : []).map((problem) => ({
          ...problem,
          code: 'invalid_value',
        }));
  const [first] = problems;
  if (first === undefined) return;
  if (absent) {
    const detail = `${tool} returns something that other steps may need: say what it would have returned`;
    throw new Refusal('invalid_request', detail, [{ pointer: '/output', code: 'missing', detail }]);
  }
  const parts = problems.map((part) => ({ ...part, pointer: `/output${part.pointer}` }));
  throw new Refusal('invalid_request', `The output does not fit ${tool}: ${first.detail}.`, parts);
}

/** A run whose last question is answered goes on; one that is being cancelled stays so. */
async function goneOn(
  tx: Tx,
  run_id: string,
  answer: string,
): Promise<{ event: NewEvent[]; change: RunChange }> {
  const previous = await lockRun(tx, run_id);
  if (previous !== 'waiting' || (await someWait(tx, run_id))) return { event: [], change: {} };
  const running = { status: 'running', phase: 'executing' } as const;
  return {
    event: [{ key: `answered:${answer}`, type: 'run.status', data: { ...running, previous } }],
    change: running,
  };
}
