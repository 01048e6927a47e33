import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../src/activities';
import type { OutlineStep } from '../../src/contracts/outline';
import type { Rules } from '../../src/contracts/rules';
import { LOOK, RUN_WORKFLOW, queueOf, type RunInput } from '../../src/workflows/messages';
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
    const names: Name[] = ['draftPlan', 'judgePlan', 'useTool', 'writeAnswer', 'readWishes', 'endRun'];
    for (const name of names) activities[name] = async (input: never) => stage.play(name, input);
    const workers = await Promise.all([
      Worker.create({ ...options, taskQueue: queueOf(queue, 'runs') }),
      Worker.create({ ...options, taskQueue: queueOf(queue, 'tools') }),
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
