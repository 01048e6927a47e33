import { join } from 'node:path';
import { NativeConnection, Worker } from '@temporalio/worker';
import { noop } from './bare-activities';

/** The bare worker: the SDK with its defaults, on the queue `bare`. */
async function main(): Promise<void> {
  const connection = await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS! });
  const worker = await Worker.create({
    connection,
    taskQueue: 'bare',
    workflowsPath: join(__dirname, 'bare.workflow.ts'),
    activities: { noop },
  });
  const running = worker.run();
  process.send?.('ready');
  await running;
}

main().catch((error: Error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
