import { Client, Connection, type WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities, Chain } from '../../src/activities';
import type { Ending } from '../../src/contracts/ending';
import type { OutlineStep } from '../../src/contracts/outline';
import type { Rules } from '../../src/contracts/rules';
import type { StepResult, Wishes } from '../../src/contracts/step-result';
import type { StepRef } from '../../src/db/steps';
import { LOOK, RUN_WORKFLOW, queueOf, type RunInput } from '../../src/workflows/messages';
import { isInstant, startable, stopsRun } from '../../src/workflows/schedule';
import { servers } from './database';

export const RULES: Rules = {
  max_steps: 50,
  max_parallel_steps: 10,
  max_input_bytes: 65_536,
  max_output_bytes: 1_000_000,
  judge_threshold: 0.8,
  max_replans: 2,
  max_duration_s: 3_600,
};

type Name = keyof Activities;
/** One call of an activity: its name and what it was asked. */
export interface Call {
  name: Name;
  input: Record<string, unknown>;
}

/** The workflow on a real server with scripted activities; every call is kept, one without a script is an error. */
export class Stage {
  readonly calls: Call[] = [];
  private script: Partial<Record<Name, (input: never) => unknown>> = {};
  private count = 0;

  private constructor(
    readonly client: Client,
    private readonly queue: string,
    private readonly close_: () => Promise<void>,
  ) {}

  static async open(): Promise<Stage> {
    const { temporal_address: address, bundle } = servers();
    const connection = await NativeConnection.connect({ address });
    const clientConnection = await Connection.connect({ address });
    const queue = `story-${process.pid}-${Date.now()}`;
    const activities = {} as Record<Name, (input: never) => Promise<unknown>>;
    const options = { connection, activities, workflowBundle: { codePath: bundle } };
    const stage = new Stage(new Client({ connection: clientConnection }), queue, async () => {
      for (const worker of workers) worker.shutdown();
      await running;
      await connection.close();
      await clientConnection.close();
    });
    const names: Name[] = [
      ...(['draftPlan', 'draftPlanWithModel', 'judgePlan', 'judgePlanWithModel'] as const),
      ...(['useTool', 'carryOutInstantly'] as const),
      ...(['writeAnswer', 'writeAnswerWithModel', 'handInPlan', 'readWishes', 'endRun'] as const),
    ];
    for (const name of names) activities[name] = async (input: never) => stage.play(name, input);
    const workers = await Promise.all([
      ...(['runs', 'llm', 'tools'] as const).map((role) =>
        Worker.create({ ...options, taskQueue: queueOf(queue, role) }),
      ),
    ]);
    const running = Promise.all(workers.map((worker) => worker.run()));
    return stage;
  }

  /** Begins a run with these activities. */
  async begin(
    script: Partial<Record<Name, (input: never) => unknown>>,
    { rules = {}, deadline_in_ms = 3_600_000 }: { rules?: Partial<Rules>; deadline_in_ms?: number } = {},
  ): Promise<WorkflowHandle> {
    this.calls.length = 0;
    this.script = script;
    this.count += 1;
    const workflowId = `${this.queue}-${this.count}`;
    const input: RunInput = {
      run_id: workflowId,
      rules: { ...RULES, ...rules },
      deadline_at_ms: Date.now() + deadline_in_ms,
    };
    return this.client.workflow.start(RUN_WORKFLOW, {
      workflowId,
      taskQueue: queueOf(this.queue, 'runs'),
      args: [input],
    });
  }

  /** Wakes a run, as a wish does. */
  look(handle: WorkflowHandle): Promise<void> {
    return handle.signal(LOOK);
  }

  names(): Name[] {
    return this.calls.map(({ name }) => name);
  }

  close(): Promise<void> {
    return this.close_();
  }

  private play(name: Name, input: Record<string, unknown>): unknown {
    this.calls.push({ name, input });
    const act = this.script[name];
    if (act === undefined) throw new Error(`Nobody wrote a script for ${name}.`);
    return act(input as never);
  }
}

/** A step of an outline: instant, needing nothing, unless said otherwise. */
export function step(id: string, more: Partial<OutlineStep> = {}): OutlineStep {
  return { id, needs: [], join: 'all', on_failure: 'stop', lane: 'instant', timeout_s: 10, ...more };
}

export const quiet = { wish: null };
/** What a run is told that asks what is wished of it: nothing, and that its time is over. */
export const wishes = (more: Partial<Wishes> = {}): Wishes => ({
  ...quiet,
  waiting: [],
  deadline_at_ms: 0,
  ...more,
});
export const drafted = (...steps: OutlineStep[]) => ({
  draftPlan: ({ round }: { round: number }) => ({
    status: 'drafted',
    outline: { plan_version: round, steps },
    to_judge: true,
    ...quiet,
  }),
  judgePlan: () => ({ accepted: true, ...quiet }),
  writeAnswer: () => quiet,
});
type Used = Pick<StepRef, 'step_id'>;
export const completed = ({ step_id }: Used) => ({ step_id, status: 'completed', skipped: [], ...quiet });
/** Instant work as the real activity does it: what may start and what follows, each step as `use` says, until the workflow is asked for. */
export const instant = (use: (ref: Used) => object | Promise<object> = completed) => ({
  carryOutInstantly: async (chain: Chain) => {
    const results: StepResult[] = [];
    const ended = new Map(chain.ended);
    const running = new Set(chain.running);
    const next = () => startable(chain.outline, { ended, running }, chain.rules.max_parallel_steps);
    for (let steps = next(); steps.length > 0 && steps.every(isInstant); steps = next()) {
      const result = (await use({ step_id: steps[0]!.id })) as StepResult;
      results.push(result);
      ended.set(result.step_id, result.status);
      for (const id of result.skipped) ended.set(id, 'skipped');
      if (result.wish !== null || stopsRun(chain.outline, result)) break;
    }
    return { ended: results, again: null, answered: false };
  },
});
/** Ends as the ending says, as the real activity does. */
export const ends = ({ ending }: { ending: Ending }) => ({ status: ending.status });
/** How the workflow closed: the cause of its failure. */
export const closing = (result: Promise<unknown>) =>
  result.then(
    () => null,
    (error: WorkflowFailedError) => error.cause,
  );
