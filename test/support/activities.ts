import type { ActivityDeps } from '../../src/activities';
import { draftPlan } from '../../src/activities/draft-plan';
import { useTool } from '../../src/activities/use-tool';
import type { Step } from '../../src/contracts/plan';
import type { Rules } from '../../src/contracts/rules';
import type { StepResult } from '../../src/contracts/step-result';
import type { Database } from '../../src/db/database';
import { createInputCheck } from '../../src/planning/input-check';
import { builtInTools } from '../../src/tools/built-in';
import { createRegistry } from '../../src/tools/registry';
import type { OutsideTool, PureTool, Tool, TransactionalTool } from '../../src/tools/tool';
import { fakeJudge, fakePlanner, fakeWriter } from './fakes';
import { newRun } from './runs';

const traits = {
  version: '1.0.0',
  description: 'A tool of a test.',
  input_schema: { type: 'object' },
  timeout_s: 5,
  max_attempts: 3,
};

/** A pure tool, instant unless said otherwise. */
export function pure(name: string, call: PureTool['call'], more: Partial<PureTool> = {}): PureTool {
  return { ...traits, lane: 'instant', effect: 'pure', name, call, ...more };
}

export function transactional(
  name: string,
  call: TransactionalTool['call'],
  more: Partial<TransactionalTool> = {},
): TransactionalTool {
  return { ...traits, lane: 'instant', effect: 'transactional', name, call, ...more };
}

/** Gives its input back. */
export const ECHO = pure('echo', (input) => Promise.resolve(input));

/** What activities are made of: the built-in tools and those of the test; who is not given may not be asked. */
export function depsWith(db: Database, tools: Tool[] = [], brain: Partial<ActivityDeps> = {}): ActivityDeps {
  return {
    db,
    tools: createRegistry([...builtInTools(), ...tools]),
    checkInput: createInputCheck(),
    planner: fakePlanner(),
    judge: fakeJudge(),
    writer: fakeWriter(),
    minds: null,
    crashPoint: () => undefined,
    ...brain,
  };
}

export type ShortStep = Partial<Step> & Pick<Step, 'id' | 'tool'>;

/** A run whose given plan is drafted and may be carried out. @returns its id. */
export async function plannedRun(
  deps: ActivityDeps,
  steps: ShortStep[],
  { rules, tenant }: { rules?: Rules; tenant?: string } = {},
): Promise<string> {
  const plan = { steps: steps.map((step) => ({ input: {}, ...step })) };
  const run_id = await newRun(deps.db, {
    plan,
    ...(rules && { rules }),
    ...(tenant !== undefined && { tenant }),
  });
  await draftPlan(deps, { run_id, round: 1 }, 'e');
  return run_id;
}

/** Nobody stops it. */
export const NEVER = new AbortController().signal;
/** The execution that planned the run, which nobody stops. */
export const AROUND = { execution: 'e', cancelled: NEVER };

/** Carries a step of plan 1 out, which ends. */
export async function use(
  deps: ActivityDeps,
  run_id: string,
  step_id: string,
  cancelled: AbortSignal = NEVER,
): Promise<StepResult> {
  const result = await start(deps, run_id, step_id, cancelled);
  if (result.status === 'waiting') throw new Error(`Step ${step_id} waits for a person.`);
  return result;
}

/** Starts a step of plan 1, which ends or waits for a person. */
export function start(
  deps: ActivityDeps,
  run_id: string,
  step_id: string,
  cancelled: AbortSignal = NEVER,
): ReturnType<typeof useTool> {
  return useTool(deps, { run_id, plan_version: 1, step_id }, { execution: 'e', cancelled });
}

/** A tool in the lane `tools` with effects elsewhere. */
export function outside(
  effect: 'idempotent' | 'unsafe',
  name: string,
  call: OutsideTool['call'],
  more: Partial<OutsideTool> = {},
): OutsideTool {
  return { ...traits, lane: 'tools', effect, name, call, ...more };
}

export async function stepOf(
  db: Database,
  run_id: string,
  id: string,
  plan_version = 1,
): Promise<Record<string, unknown>> {
  const [row] = await db.query('select * from steps where run_id = $1 and plan_version = $3 and id = $2', [
    run_id,
    id,
    plan_version,
  ]);
  return row!;
}

/** A database whose next transaction waits for `before`: what happens between a look and the transaction after it. */
export function interrupted(db: Database, before: () => Promise<unknown>): Database {
  let first = true;
  return {
    ...db,
    async transaction(work) {
      if (first) {
        first = false;
        await before();
      }
      return db.transaction(work);
    },
  };
}
