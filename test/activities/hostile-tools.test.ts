import { depsWith, plannedRun, stepOf, use } from '../support/activities';
import { createTestDatabase, type TestDatabase } from '../support/database';
import { ENDS, tools } from '../support/hostile-pack';
import { eventsOf, RULES } from '../support/runs';

let test_db: TestDatabase;
beforeAll(async () => void (test_db = await createTestDatabase()));
afterAll(() => test_db.drop());

/** Words of one try that the log has room for, at most; of these tools, which take seconds. */
const FEW_WORDS = 20;
const rules = { ...RULES, max_output_bytes: 1_000_000 };
// In a test process nobody handles what they leave behind; a worker's own is tested with one.
const names = [...ENDS.keys()].filter((name) => !/^leaves\.(a_rejection|an_exception)/.test(name));
const stories = names.map((name) => [name.replace(/[._]/g, ' '), name] as const);

test.each(stories)('A tool that %s ends its own step, and nothing else', async (_, name) => {
  const deps = depsWith(test_db.db, tools);
  const run_id = await plannedRun(deps, [{ id: 'one', tool: name, input: { text: 'given' } }], { rules });
  const ends = ENDS.get(name)!;
  const status = ends === 'completed' ? 'completed' : 'failed';
  expect(await use(deps, run_id, 'one')).toMatchObject({ step_id: 'one', status });
  const step = await stepOf(test_db.db, run_id, 'one');
  expect(step).toMatchObject({ status, input: { text: 'given' } });
  const events = await eventsOf(test_db.db, run_id);
  const last = events.at(-1)!;
  expect(last).toMatchObject(
    ends === 'completed'
      ? { type: 'step.completed' }
      : {
          type: 'step.failed',
          data: { attempts: 1, failure: { code: ends, message: expect.any(String) as string } },
        },
  );
  expect(JSON.stringify(last).length).toBeLessThan(33_000);
  expect(events.filter(({ type }) => type === 'step.progress').length).toBeLessThan(FEW_WORDS);
});
