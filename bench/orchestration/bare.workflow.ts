import { proxyActivities } from '@temporalio/workflow';
import type { noop } from './bare-activities';

const activities = proxyActivities<{ noop: typeof noop }>({ startToCloseTimeout: '10 s' });

/** The shape of our run without anything in it: plan, judge, three tools at once, one that needs them, answer. */
export async function bare(): Promise<void> {
  await activities.noop();
  await activities.noop();
  await Promise.all([activities.noop(), activities.noop(), activities.noop()]);
  await activities.noop();
  await activities.noop();
}
