import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { bundleWorkflows } from '../../src/workers/bundle-workflows';
import { handBuilt } from './hand-built';

const HISTORIES = join(__dirname, 'histories');

/** A history as JSON, as far as the tests look into it. */
interface HistoryJson {
  events: Record<string, Record<string, unknown>>[];
}

describe('Replay', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-replay-'));
  const codePath = join(folder, 'bundle.js');
  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
    await bundleWorkflows({ outFile: codePath });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const replay = (history: unknown) =>
    Worker.runReplayHistory(
      { workflowBundle: { codePath } },
      history as Parameters<typeof Worker.runReplayHistory>[1],
    );
  const read = (name: string) => JSON.parse(readFileSync(join(HISTORIES, name), 'utf8')) as HistoryJson;

  test.each(readdirSync(HISTORIES))('goes through %s as it was recorded', async (name) => {
    await expect(replay(read(name))).resolves.toBeUndefined();
  });

  test.each(Object.keys(handBuilt))('goes through a hand-built history: %s', async (name) => {
    await expect(replay(handBuilt[name as keyof typeof handBuilt])).resolves.toBeUndefined();
  });

  test('notices a story that leaves the judge out', async () => {
    const history = structuredClone(handBuilt['plan, judge, two instant steps, answer']) as HistoryJson;
    // The second marker is the judge's; without it the story asks for something else than was recorded.
    const markers = history.events.filter((event) => event.markerRecordedEventAttributes !== undefined);
    history.events = history.events.filter((event) => event !== markers[1]);
    renumber(history);
    await expect(replay(history)).rejects.toThrow(DeterminismViolationError);
  });

  test('notices slow steps that were swapped', async () => {
    const history = read('0.1.0-slow.json');
    const scheduled = history.events.filter(
      (event) => event.activityTaskScheduledEventAttributes !== undefined,
    );
    const [a, b] = scheduled.map((event) => event.activityTaskScheduledEventAttributes!);
    [a!.activityId, b!.activityId] = [b!.activityId, a!.activityId];
    await expect(replay(history)).rejects.toThrow(DeterminismViolationError);
  });
});

function renumber(history: HistoryJson): void {
  history.events.forEach((event, i) => {
    (event as Record<string, unknown>).eventId = String(i + 1);
  });
}
